"""`import homeshelf`: the commands as functions, and a run as frames and explanations."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl
import pytest

import homeshelf
from pipelines.api import LOCAL_RUNNER
from tests.runs import FAST, Published, cards
from transforms.tables.failures import RunFailedError

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference" / "python.md"


@pytest.fixture(scope="module")
def run(published: Published) -> homeshelf.Run:
    return homeshelf.open_run(published.folder)


def test_every_name_is_in_the_reference_and_has_a_docstring() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    for name in homeshelf.__all__:
        assert f"::: homeshelf.{name}\n" in text or name == "HomeshelfError", name
        assert getattr(homeshelf, name).__doc__, name


def test_tables_are_lazy_frames_and_cards_have_titles_and_artists(
    run: homeshelf.Run, published: Published, world: Path
) -> None:
    listed, tracks = run.cards().collect(), pl.read_parquet(world / "tracks")
    theirs = cards(published.table("pages").drop("propensity", "relaxed"))
    shown = theirs.select("user_id", "shelf_position", "position", "track_id").sort(pl.all()).rows()
    assert listed.select("user_id", "shelf_position", "card_position", "track_id").rows() == shown
    named = listed.join(tracks.select("track_id", wanted="title", by="artist_name"), on="track_id")
    assert len(named) == len(listed) and named["title"].eq_missing(named["wanted"]).all()
    assert named["artist_name"].eq_missing(named["by"]).all()
    assert run.pages().collect().equals(published.table("pages"))
    assert run.figures().filter(metric="pages")["value"].item() == len(published.table("pages"))
    assert len(run.candidates().collect()) == len(published.table("candidates"))


def test_explanations_are_values_and_escaped_html(run: homeshelf.Run) -> None:
    card = run.cards().first().collect().row(0, named=True)
    page = run.why(card["user_id"])
    assert isinstance(page, homeshelf.PageReasons) and page.cards["reason"][0] in repr(page)
    assert page._repr_html_().count("<h4>") == page.cards["shelf_position"].n_unique()
    track = run.why(card["user_id"], card["track_id"])
    assert isinstance(track, homeshelf.CardReasons) and track.card.is_shown and "on the page" in repr(track)
    hostile = homeshelf.PageReasons(type(page.page)(page.cards.with_columns(name=pl.lit("<script>")), ()))
    assert "<script>" not in hostile._repr_html_() and "&lt;script&gt;" in hostile._repr_html_()
    with pytest.raises(homeshelf.HomeshelfError, match="nobody"):
        run.why("nobody")


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
    pipeline = beam.Pipeline(runner=LOCAL_RUNNER)
    assert homeshelf.build(pipeline, tmp_path / "home.yaml", run_id="a", **given).endswith("/run=a")
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
