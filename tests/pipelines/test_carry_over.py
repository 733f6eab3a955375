"""A weekly shelf keeps its tracks from run to run until its week ends."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.check.carry_over import find_misplaced, find_missing, read_earlier_shelves
from pipelines.check.facts import find_truth
from pipelines.inputs.published import PublishedRun, card_rows
from pipelines.inputs.reused_artifacts import find_carry_over_runs
from tests.runs import Published, cards, reuse, run_on


@pytest.fixture(scope="module")
def tuesday(world: Path, published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the day before that of `published` with its models; return the output. Both days are of one week."""
    output = tmp_path_factory.mktemp("tuesday")
    run_on(world, output, *reuse(published), "--as_of=2025-12-31")
    return output


def carry_over(run: Published) -> pl.DataFrame:
    shown = cards(run.table("pages")).filter(pl.col("shelf_id") == "weekly_discovery")
    return shown.select("user_id", "track_id", "position").cast({"user_id": pl.String})


def test_the_shelf_of_the_day_before_is_kept(world: Path, published: Published, tuesday: Path, tmp_path: Path) -> None:
    (tmp_path / "erased").mkdir()
    before = carry_over(Published(tuesday))
    gone = before["user_id"][0]
    pl.DataFrame({"user_id": [gone]}).write_parquet(tmp_path / "erased" / "users.parquet")
    flags = (*reuse(published), f"--carry_over_from={tuesday}", f"--erased_users={tmp_path}/erased")
    run = run_on(world, tmp_path / "out", *flags)
    after = carry_over(run)
    both = before.join(after.select("user_id").unique(), on="user_id", how="semi")
    assert both["user_id"].n_unique() > 20 and gone not in after["user_id"]
    # in its order; only tracks disliked since are gone
    lost = both.join(after, on=["user_id", "track_id"], how="anti")
    events = pl.read_parquet(world / "events" / "*.parquet").filter(pl.col("action") == "dislike")
    assert lost.join(events, on=["user_id", "track_id"], how="anti").is_empty()
    stays = both.join(after, on=["user_id", "track_id"])
    assert stays.filter(pl.col("position_right") > pl.col("position")).is_empty()
    # a run without --carry_over_from samples again, from other candidates with other scores
    alone = carry_over(published)
    assert len(both.join(alone, on=["user_id", "track_id"], how="semi")) < 0.95 * len(both)
    # the check finds every change, because it computes the claims from the log
    checked = PublishedRun(str(run.folder))
    pages, truth = card_rows(checked.table("pages").collect()), find_truth(checked, "", "")
    assert find_missing(pages, read_earlier_shelves(checked), checked, truth).violations.is_empty()
    gone = pages.filter((pl.col("shelf_id") != "weekly_discovery") | (pl.col("position") > 0))
    assert len(find_missing(gone, read_earlier_shelves(checked), checked, truth).violations) > 20
    assert run.manifest["carry_over"] == [
        str(path) for path in sorted(tuesday.glob("ds=2025-12-30/run=*/pages/*.parquet"))
    ]


def test_missing_and_moved_tracks_are_found() -> None:
    shelf = {"user_id": "ann", "surface": "home", "shelf_id": "weekly_discovery"}
    earlier = pl.DataFrame({"user_id": ["ann"] * 3, "track_id": ["a", "b", "c"], "was": [0, 1, 2]})

    def found(tracks: str) -> list[str]:
        rows = [{**shelf, "track_id": track, "position": position} for position, track in enumerate(tracks)]
        return find_misplaced(pl.DataFrame(rows), earlier).violations["what"].to_list()

    assert found("abcx") == found("acx") == found("xy") == []
    assert found("bacx") == ["a"] and found("axbc") == ["b", "c"]


@pytest.mark.parametrize(
    ("day", "found"),
    [("2025-12-31", ["2025-12-30"]), ("2026-01-04", ["2025-12-30"]), ("2025-12-30", []), ("2026-01-05", [])],
)
def test_runs_of_earlier_days_of_the_week_are_found(tuesday: Path, day: str, found: list[str]) -> None:
    assert date(2026, 1, 4).isocalendar()[:2] == date(2025, 12, 30).isocalendar()[:2]
    assert [run.day for run in find_carry_over_runs(str(tuesday), day)] == found


def test_without_an_earlier_run_nothing_is_kept(tmp_path: Path) -> None:
    assert find_carry_over_runs("", "2025-12-31") == find_carry_over_runs(str(tmp_path / "none"), "2025-12-31") == []
