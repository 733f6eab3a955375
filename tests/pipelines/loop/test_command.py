"""One loop of real runs: two days, the second of which scores with the models of the first."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from pipelines.inputs.published import card_rows, open_published
from tests.built_once import built_once
from tests.runs import POPULARITY, TOWERS


def run_small_loop(folder: Path) -> None:
    (folder / "arms.yaml").write_text("none: off\nexplorer: {exploration: 0.05}\n")
    flags = [
        "--num_users=60",
        "--num_tracks=400",
        "--history_days=25",
        "--num_days=2",
        "--gate=warn",
        *TOWERS,
        *POPULARITY,
    ]
    assert main(["loop", f"--output={folder / 'loop'}", f"--arms_file={folder / 'arms.yaml'}", *flags]) == 0


@pytest.fixture(scope="module")
def loop() -> Path:
    return built_once("small_loop", run_small_loop) / "loop"


def test_the_log_of_a_day_is_of_the_pages_of_its_run_and_the_next_run_reads_it(loop: Path) -> None:
    runs = [open_published(str(path)) for path in sorted((loop / "arms" / "explorer").glob("ds=*/run=*"))]
    assert [run.manifest.options["mode"] for run in runs] == ["full", "score"]
    assert runs[1].manifest.inputs["events"].rows > runs[0].manifest.inputs["events"].rows
    assert runs[1].manifest.metrics.last_day.impressions > 0
    for day, run in zip(("2026-01-01", "2026-01-02"), runs, strict=True):
        places = ["user_id", "shelf_id", "shelf_position", "position", "track_id", "propensity"]
        shown = pl.read_parquet(loop / "worlds" / "explorer" / "impressions" / f"{day}.parquet").select(places).unique()
        cards = card_rows(run.table("pages").collect()).select(places)
        assert len(shown) and shown.join(cards, on=places).height == len(shown)


def test_the_report_has_both_arms(loop: Path) -> None:
    found = json.loads((loop / "loop.json").read_text())
    assert list(found["curves"]) == ["none", "explorer"] and found["curves"]["explorer"]["page_coverage"][-1] > 0
    assert found["command"].startswith("homeshelf loop --") and (loop / "loop.html").exists()


def test_a_folder_that_has_a_loop_is_refused(loop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loop", f"--output={loop}"]) == 2
    assert "there is a loop already" in capsys.readouterr().err
