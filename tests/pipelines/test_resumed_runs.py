"""A run that died during training is retried: the training resumes from its checkpoint."""

import json
from pathlib import Path

import pytest

from models.ranker import training
from pipelines.cli import main
from tests.runs import DCN, FAST, Published, reuse
from transforms.tables.checkpoints import CheckpointFolder


def test_a_run_of_the_same_name_resumes_the_training(
    world: Path, published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [f"--events={world}/events", f"--tracks={world}/tracks", f"--output={tmp_path}"]
    argv = [
        "run",
        *tables,
        *FAST,
        *DCN,
        *reuse(published, ranker=False),
        "--mode=train",
        "--run_id=r",
        "--num_buckets=3",
    ]
    run = tmp_path / "ds=2025-12-31" / "run=r"

    def die(checkpoints: CheckpointFolder) -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFolder, "clear", die)
        assert main(argv) == 1
    assert len(list((run / "checkpoints").iterdir())) == 2 and not (run / "manifest.json").exists()
    (dead,) = run.glob("models/*/training.json")

    def relearn(*_: object) -> None:
        raise AssertionError("all epochs had been learned")

    monkeypatch.setattr(training._Training, "_train_epoch", relearn)
    assert main(argv) == 0
    manifest = json.loads((run / "manifest.json").read_text())
    report = json.loads(dead.read_text())
    assert len(report["epochs"]) == 2
    assert {name: manifest["training"][name] for name in report} == report
    assert not (run / "checkpoints").exists()
