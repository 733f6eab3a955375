"""homeshelf evaluate from flags to report, on a small sample world."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from tests.pipelines.evaluation.evaluations import evaluate, value
from tests.runs import run_on

CUTOFFS = ("2025-12-18", "2025-12-24")


@pytest.fixture(scope="module")
def report(world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    return evaluate(world, tmp_path_factory.mktemp("report"), f"--as_of={','.join(CUTOFFS)}")


def test_the_report_holds_every_system_and_value(report: dict) -> None:
    assert {"page", "ranker", "candidates", "repeats", "co_listened", "most_popular", "act_r", "best_blend"} <= set(
        report["systems"]
    )
    assert [cutoff[:10] for cutoff in report["protocol"]["cutoffs"]] == list(CUTOFFS)
    assert report["protocol"]["tuning_cutoff"].startswith("2025-12-10T23:30")
    for data in report["data"]:
        assert data["repeats"] + data["discoveries"] == data["targets"] > 100
        assert data["users"] > 20 and data["tracks"] == 2000
    for row in report["values"]:
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"] or row["users"] < 30
        assert row["metric"] in report["metrics"] and row["system"] in report["systems"]
    segments = {row["segment"] for row in report["values"]}
    assert {"everyone", "history: 20-99", "shelf: jump_back_in"} <= segments
    assert any(segment.startswith("genre: ") for segment in segments)
    assert {row["verdict"] for row in report["differences"]} == {"better", "worse", "no difference"}
    assert sum(row["rows"] for row in report["calibration"] if row["segment"] == "all") > 1000
    assert [len(part["epochs"]) for part in report["training"]] == [2, 2]
    assert not [leak for leak in report["leaks"] if leak["is_suspect"]]


def test_values_are_plausible(report: dict) -> None:
    assert value(report, "act_r", targets="repeats") > value(report, "most_popular", targets="repeats")
    assert value(report, "repeat_recent", targets="discoveries") == value(report, "repeats", targets="discoveries") == 0
    # the same tracks in another order; of a user with new tracks beyond the cap the last few differ
    found, held = value(report, "ranker", "recall@500"), value(report, "candidates", "recall@500")
    assert found == pytest.approx(held, rel=0.01)
    assert value(report, "repeat_recent", "repeat_share") == 1 and value(report, "co_listened", "repeat_share") == 0
    per_cutoff = [value(report, "page", cutoff=cutoff) for cutoff in report["protocol"]["cutoffs"]]
    assert min(per_cutoff) <= value(report, "page") <= max(per_cutoff)


def test_evaluated_pages_are_those_that_would_have_been_published(world: Path, report: dict, tmp_path: Path) -> None:
    cutoff = CUTOFFS[1]
    pages = run_on(world, tmp_path, f"--as_of={cutoff}").table("pages")
    starts_at = datetime.fromisoformat(cutoff).replace(tzinfo=timezone.utc) + timedelta(minutes=30)
    events = pl.read_parquet(world / "events" / "*.parquet").filter(pl.col("action") == "play")
    coming = events.filter(
        pl.col("played_at").is_between(starts_at, starts_at + timedelta(days=7), closed="left")
        & (pl.col("ms_played") >= 30_000)
    )
    known = pl.max_horizontal("played_at", "arrived_at") < starts_at - timedelta(minutes=30)
    before = events.filter(known).select("user_id").unique()
    targets = coming.group_by("user_id", "track_id").len().join(before, on="user_id", how="semi")
    shown = pages.select("user_id", tracks=pl.col("shelves").list.eval(pl.element().struct.field("tracks")))
    shown = (
        shown.explode("tracks", empty_as_null=True)
        .explode("tracks", empty_as_null=True)
        .select("user_id", pl.col("tracks").struct.field("track_id"))
    )
    held = targets.join(shown, on=["user_id", "track_id"], how="semi").group_by("user_id").agg(pl.col("len").sum())
    total = targets.group_by("user_id").agg(total=pl.col("len").sum())
    share = total.join(held, on="user_id", how="left").select((pl.col("len").fill_null(0) / pl.col("total")).mean())
    found = value(report, "page", "share_of_plays", cutoff=report["protocol"]["cutoffs"][1])
    assert found == pytest.approx(share.item(), abs=1e-6)


def test_the_number_of_buckets_and_a_second_run_do_not_show(world: Path, report: dict, tmp_path: Path) -> None:
    again = evaluate(world, tmp_path, f"--as_of={','.join(CUTOFFS)}", "--num_buckets=7")
    for one in (again, report):
        one["protocol"].pop("command", None)
        for training in one["training"]:
            for epoch in training["epochs"]:
                epoch.pop("seconds", None)
                epoch.pop("examples_per_second", None)
    assert again == report
