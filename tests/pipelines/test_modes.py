"""Stages alone, and the gate: train on one day, score on others, leave the pointer where it was."""

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from pipelines.inputs.run_folders import list_run_folders
from tests.runs import DCN, FAST, Published, reuse

ALL_REJECTED = ("rejected", "rejected_tracks", "rejected_users")


def run(world: Path, output: Path, *flags: str) -> int:
    tables = [f"--{name}={world}/{name.removesuffix('_table')}" for name in ("events", "tracks", "users_table")]
    return main(["run", *tables, f"--output={output}", *FAST, *DCN, *flags])


def test_a_trained_ranker_scores_what_a_full_run_would(world: Path, published: Published, tmp_path: Path) -> None:
    assert run(world, tmp_path, "--mode=train", "--run_id=weekly", "--num_buckets=1") == 0
    (trained,) = list_run_folders(str(tmp_path)).runs
    assert trained.state == "trained" and not (tmp_path / "ds=2025-12-31" / "CURRENT").exists()
    assert trained.manifest and set(trained.manifest.tables) == {"features", "holdout", *ALL_REJECTED}
    # and all of it in one bucket; inputs of an earlier moment do not depend on the run's as_of
    for name in ("features", "holdout"):
        assert pl.read_parquet(f"{trained.path}/{name}/*.parquet").equals(published.table(name))
    # the towers continue those of the training week, as in a full run
    reused = [f"--{name}={tmp_path}" for name in ("ranker", "embeddings")]
    assert run(world, tmp_path, "--mode=score", "--run_id=daily", *reused) == 0
    scored = Published(tmp_path)
    assert scored.folder.name == "run=daily"
    ours, theirs = (run.table("candidates").sort("user_id", "track_id") for run in (scored, published))
    assert ours.equals(theirs)
    used = list_run_folders(str(tmp_path)).newest.artifact("ranker")
    assert Path(used).parent == tmp_path / "ds=2025-12-31" / "run=weekly" / "models"


def test_rewards_that_settle_late_are_learned_from_old_examples(
    world: Path, published: Published, tmp_path: Path
) -> None:
    assert "retained_28d" not in published.manifest["training"]["heads"]
    assert "settled 28 days after" in published.manifest["disabled"]["reward retained_28d"]
    assert run(world, tmp_path, "--mode=train", "--training_windows=2,5", *reuse(published, ranker=False)) == 0
    (made,) = list_run_folders(str(tmp_path)).runs
    assert made.manifest and set(made.manifest.tables) == {"features_5", "features", "holdout", *ALL_REJECTED}
    tables = {name: pl.read_parquet(f"{made.path}/{name}/*.parquet") for name in ("features_5", "features", "holdout")}
    ago = {
        name: (table["label_retained_28d"].null_count() == 0, table["cutoff_at"].unique().item())
        for name, table in tables.items()
    }
    as_of = datetime(2026, 1, 1, tzinfo=timezone.utc)
    expected = {"features_5": (True, 5), "features": (False, 2), "holdout": (False, 1)}
    assert ago == {name: (settled, as_of - weeks * timedelta(days=7)) for name, (settled, weeks) in expected.items()}
    assert tables["features"]["label_retained_28d"].count() == 0 < tables["features_5"]["label_retained_28d"].sum()
    training = made.manifest.training or {}
    assert "retained_28d" in training["heads"] and "retained_28d" not in training["disabled_rewards"]
    # no label is settled yet to evaluate it
    assert training["heads"]["retained_28d"]["auc"] is None and training["heads"]["listened"]["auc"] is not None
    assert training["epochs"][0]["examples"] == len(tables["features_5"]) + len(tables["features"])


def test_features_alone(world: Path, published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(world, tmp_path, "--mode=features", *reuse(published, ranker=False)) == 0
    (made,) = list_run_folders(str(tmp_path)).runs
    manifest = json.loads(Path(made.path, "manifest.json").read_text())
    tables, artifacts = manifest["tables"], manifest["artifacts"]
    assert set(tables) == {"features", "holdout", *ALL_REJECTED} and manifest["conflicts"] == {}
    assert set(artifacts) == {"tracks", "catalog", "embeddings", "blend"}
    assert main(["preview", f"--run={made.path}", f"--file={tmp_path}/preview.html"]) == 2
    assert "has no pages: --mode=features" in capsys.readouterr().err


def test_a_failed_gate_leaves_the_pointer(
    world: Path, published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(published.folder.parent, tmp_path / "ds=2025-12-31")
    gate = ["--gate=fail", "--limits=coverage:0.99,events_change:0.4", f"--events={half_of(world, tmp_path)}"]
    assert run(world, tmp_path, "--run_id=bad", *reuse(published), *gate) == 3
    said = capsys.readouterr().err.splitlines()[-1]
    assert "coverage is 0." in said and "at least 0.99" in said and "events_change is 0." in said
    assert Published(tmp_path).folder.name == published.folder.name
    states = {one.name: one.state for one in list_run_folders(str(tmp_path)).runs}
    assert states == {published.folder.name: "current", "run=bad": "gated"}
    # the manifest has the metrics, and the run can still be published by hand
    assert main(["rollback", f"--output={tmp_path}", "--to=bad"]) == 0
    assert Published(tmp_path).manifest["gate"]["values"]["events_change"]["bound"] == 0.4


def half_of(world: Path, folder: Path) -> Path:
    path = folder / "half.parquet"
    pl.read_parquet(world / "events" / "*.parquet").gather_every(2).write_parquet(path)
    return path


def test_modes_and_rankers_go_together(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(world, tmp_path, "--mode=train", "--ranker=/somewhere") == 2
    assert "does not use --ranker" in capsys.readouterr().err
