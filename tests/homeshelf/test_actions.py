"""`import homeshelf`: the commands as functions, on a pipeline of the caller's too, without printing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

import homeshelf
from tests.runs import FAST, Published
from transforms.publishing.run_paths import STARTED_FILE
from transforms.tables.failures import RunFailedError

ROOT = Path(__file__).parents[2]


def tables(world: Path) -> dict[str, Path]:
    return {"events": world / "events", "tracks": world / "tracks", "users_table": world / "users"}


def write(number: int, path: Path) -> None:
    path.write_text(str(number))


def test_the_graph_on_a_pipeline_of_the_callers_publishes_what_the_command_does(
    world: Path, published: Published, models: list[str], tmp_path: Path
) -> None:
    flags = dict(one.removeprefix("--").split("=", 1) for one in (*FAST, *models))
    with beam.Pipeline(runner=homeshelf.LOCAL_RUNNER) as pipeline:
        folder = homeshelf.build(pipeline, **tables(world), output=tmp_path / "out", **flags)
        _ = pipeline | "Mine" >> beam.Create([1]) | "Write" >> beam.Map(write, tmp_path / "mine")
        assert [path.name for path in Path(folder).iterdir()] == [STARTED_FILE], "the run only announces itself"
    run = homeshelf.open_run(tmp_path / "out")
    assert run.folder == folder and (tmp_path / "mine").read_text() == "1"
    theirs = Published(tmp_path / "out").hashes()
    assert {path: theirs[path] for path in theirs if path.startswith(("pages", "candidates"))} == {
        path: sha for path, sha in published.hashes().items() if path.startswith(("pages", "candidates"))
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_epochs": 0}, "--num_epochs"),
        ({"mode": "sometimes"}, "--mode"),
        ({"events": "nowhere"}, "--events=nowhere"),
        ({"limits": "taste:1"}, "--limits: unknown limit 'taste'"),
        ({"mode": "score"}, "--mode=score needs --ranker"),
    ],
)
def test_what_cannot_run_is_refused_before_the_graph_is_built(
    change: dict[str, object], words: str, world: Path, tmp_path: Path
) -> None:
    pipeline = beam.Pipeline(runner=homeshelf.LOCAL_RUNNER)
    with pytest.raises(homeshelf.UsageError, match=words):
        homeshelf.build(pipeline, **{**tables(world), "output": tmp_path / "out", **change})
    assert not pipeline.applied_labels


def test_a_run_takes_a_file_of_flags_and_arguments(
    world: Path, published: Published, models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{one.removeprefix('--').replace('=', ': ', 1)}" for one in (*FAST, *models)]
    lines += [*(f"{name}: {world / name}" for name in ("events", "tracks")), f"output: {tmp_path}/other"]
    (tmp_path / "home.yaml").write_text("\n".join(lines))
    given = {"output": tmp_path / "out", "users_table": world / "users"}
    made = homeshelf.run(tmp_path / "home.yaml", **given)
    assert made.folder.startswith(f"{tmp_path}/out/") and not (tmp_path / "other").exists()
    theirs = homeshelf.open_run(published.folder)
    assert made.cards().drop("seed_track_id").collect().equals(theirs.cards().drop("seed_track_id").collect())
    assert capsys.readouterr().out == "" and Path(made.folder, "stages.jsonl").is_file()
    with pytest.raises(homeshelf.HomeshelfError, match="unknown flag --shelf_sizes"):
        homeshelf.run(tmp_path / "home.yaml", shelf_sizes=3)


@pytest.mark.parametrize(
    ("command", "flag", "said"),
    [
        (homeshelf.run, {"dry_run": True}, "--dry_run is of the command line"),
        (homeshelf.run, {"print_config": True}, "--print_config are of the command line"),
        (homeshelf.evaluate, {"export": "x"}, "--export makes no figures"),
        (homeshelf.run, {"plugins": "mine.py"}, "were loaded before"),
        (homeshelf.run, {"log_file": "/none/log"}, "--log_file=/none/log: No such file"),
    ],
)
def test_no_flag_is_taken_and_not_heeded(
    command: Any, flag: dict[str, Any], said: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMESHELF_PLUGINS", "")
    with pytest.raises(homeshelf.HomeshelfError, match=said):
        command(events=world / "events", output=tmp_path, **flag)
    assert list(tmp_path.iterdir()) == []


def test_plugins_are_loaded_before_what_they_add_to(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("THINGS = ('a',)\n")
    code = """
import homeshelf
homeshelf.sample("s", num_users=1, num_tracks=9, num_days=3, plugins="mine.py")
from transforms.plugins import *
print(*plugin_entries("THINGS"), late_tuples())
"""
    command = [sys.executable, "-c", "import sys, homeshelf.actions as _; print('tensorflow' in sys.modules)" + code]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.stdout.split("\n") == ["False", "a []", ""], done


def test_a_failure_of_a_worker_is_one_of_homeshelf_and_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluated(options: object, beam_flags: list[str]) -> int:
        raise RuntimeError(f"in a worker: {RunFailedError('a list holds unknown tracks')}")

    monkeypatch.setattr("pipelines.evaluation.command.run_evaluation", evaluated)
    with pytest.raises(homeshelf.HomeshelfError) as error:
        homeshelf.evaluate(events="e", output=tmp_path, log_file=tmp_path / "log")
    assert error.value.message == "a list holds unknown tracks"
    assert "Traceback" in (tmp_path / "log").read_text()


def test_an_evaluation_returns_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluated(options: object, beam_flags: list[str]) -> int:
        (tmp_path / "report.json").write_text(json.dumps({"lists": options.list_depth}))  # type: ignore[attr-defined]
        return 0

    monkeypatch.setattr("pipelines.evaluation.command.run_evaluation", evaluated)
    assert homeshelf.evaluate(events="e", output=tmp_path, list_depth=7) == {"lists": 7}


def test_a_sample_is_the_world_of_the_command(tmp_path: Path) -> None:
    folder = homeshelf.sample(tmp_path / "s", num_users=5, num_tracks=40, num_days=10)
    assert {"events", "tracks", "users"} <= {path.name for path in folder.iterdir()}
