"""homeshelf evaluate from flags to report, on a small sample world."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from tests.pipelines.evaluation.conftest import CUTOFFS
from tests.pipelines.evaluation.evaluations import value
from tests.runs import DCN, run_on

CUTOFF = "--as_of=2025-12-24"


def test_an_evaluation_is_no_different_from_itself(
    report: dict, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(evaluation), str(evaluation), f"--not_worse={','.join(report['systems'])}"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.split()[1:2] == ["ndcg@10"]]
    assert len(rows) == 3 * len(report["systems"]) and all("no difference" in row for row in rows)


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


def test_evaluated_pages_are_those_that_would_have_been_published(
    world: Path, late_world: Path, report: dict, tmp_path: Path
) -> None:
    cutoff = CUTOFFS[1]
    pages = run_on(world, tmp_path, *DCN, f"--as_of={cutoff}", events=late_world).table("pages")
    starts_at = datetime.fromisoformat(cutoff).replace(tzinfo=timezone.utc) + timedelta(minutes=30)
    events = pl.read_parquet(late_world / "*.parquet").filter(pl.col("action") == "play")
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


def test_another_number_of_buckets_and_one_cutoff_alone_do_not_show(report: dict, one_cutoff: dict) -> None:
    cutoff = report["protocol"]["cutoffs"][1]
    names = ("system", "metric", "targets")
    compared = set(one_cutoff["systems"]) & set(report["systems"]) - {"best_blend", "act_r"}

    def values(rows: list[dict], cutoff: str) -> dict[tuple, tuple]:
        whole = (row for row in rows if row["cutoff"] == cutoff and row["segment"] == "everyone")
        kept = (row for row in whole if row["system"] in compared)
        return {tuple(row[name] for name in names): (row["value"], row["users"]) for row in kept}

    assert len(compared) > 12
    # a few metrics are of all cutoffs together only
    expected, found = values(report["values"], cutoff), values(one_cutoff["values"], "")
    assert len(expected) > 900 and {key: found[key] for key in expected} == expected
    assert one_cutoff["data"] == report["data"][1:]
    for one, other in zip(one_cutoff["training"][0]["epochs"], report["training"][1]["epochs"], strict=True):
        assert one["loss"] == other["loss"] and one["validation_loss"] == other["validation_loss"]


def test_a_list_like_ours_is_measured_like_ours(one_cutoff: dict) -> None:
    values = {
        (row["system"], row["metric"], row["targets"]): (row["value"], row["low"], row["high"])
        for row in one_cutoff["values"]
        if row["segment"] == "everyone" and row["cutoff"] == ""
    }
    for metric in ("ndcg@10", "mrr", "recall@100"):
        for kind in ("all", "repeats", "discoveries"):
            assert values["mine", metric, kind] == values["repeat_recent", metric, kind]
    assert one_cutoff["systems"]["mine"]["kind"] == "given"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--as_of=2025-12-28"], "its horizon ends on 2026-01-04 00:30; the events are of 2"),
        (["--as_of=2001-01-01,2025-12-18"], "no event is before it to recommend from; the events are of 2"),
        (["--as_of=2025-12-18,2099-01-01"], "no event is after it to compare with; the events are of 2"),
        (["--horizon_days=5000"], "--horizon_days=5000: the events are of 2"),
        (["--min_played_at=2030-01-01"], "the median event is of 2025-1"),
        ([CUTOFF, "--baselines=best"], "--baselines: there is no 'best'; there are most_popular,"),
        ([CUTOFF, "--lists=x"], "--lists: 'x' is not of the form name:path"),
        ([CUTOFF, "--lists=page:/x.parquet"], "'page' is the name of another system"),
        ([CUTOFF, "--lists=x:/nowhere.parquet"], "--lists=/nowhere.parquet: "),
        ([CUTOFF, "--oracle=x"], "--oracle=x: there is no such list among --lists"),
        ([CUTOFF, "--num_replicates=0"], "--num_replicates"),
        ([CUTOFF, "--ranker=x"], "unknown flag --ranker=x"),
        ([], "--as_of"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_it_starts(
    flags: list[str], message: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    if not flags:
        flags = ["--as_of=never"]
    assert main(["evaluate", f"--events={world}/events", f"--output={output}", *flags]) == 2
    assert message in capsys.readouterr().err
    assert not list(output.glob("*"))


def test_lists_must_say_for_which_cutoff_they_are(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pl.DataFrame({"user_id": ["u"], "track_id": ["t"], "rank": [0]})
    rows.write_parquet(tmp_path / "without.parquet")
    cutoff_at = pl.lit("2025-12-20").str.to_datetime(time_zone="UTC")
    rows.with_columns(cutoff_at=cutoff_at).write_parquet(tmp_path / "other.parquet")
    common = ["evaluate", f"--events={world}/events", f"--output={tmp_path}/out", "--baselines=none"]
    assert main([*common, "--as_of=2025-12-18,2025-12-24", f"--lists=x:{tmp_path}/without.parquet"]) == 2
    assert "no column 'cutoff_at'" in capsys.readouterr().err
    assert main([*common, CUTOFF, f"--lists=x:{tmp_path}/other.parquet"]) == 2
    assert "--lists=x: no row for the cutoff 2025-12-24 00:00" in capsys.readouterr().err


def test_others_get_the_same_split(world: Path, tmp_path: Path) -> None:
    common = ["evaluate", f"--events={world}/events", f"--tracks={world}/tracks", f"--output={tmp_path}/out", CUTOFF]
    assert main([*common, f"--export={tmp_path}/export"]) == 0
    folder = tmp_path / "export" / "cutoff=20251224T000000"
    history = pl.read_parquet(folder / "history" / "*.parquet")
    users = pl.read_parquet(folder / "users" / "*.parquet")["user_id"].to_list()
    events = pl.read_parquet(world / "events" / "*.parquet")
    known = pl.max_horizontal("played_at", "arrived_at")
    cutoff_at = pl.lit("2025-12-24").str.to_datetime(time_zone="UTC")
    listened = (pl.col("action") == "play") & (pl.col("ms_played").fill_null(30_000) >= 30_000)
    before = events.filter((known < cutoff_at) & listened).select("user_id", "track_id", "played_at").unique()
    assert history.select(before.columns).unique().sort(before.columns).equals(before.sort(before.columns))
    starts_at = cutoff_at + pl.duration(minutes=30)
    within = pl.col("played_at").is_between(starts_at, starts_at + pl.duration(days=7), closed="left")
    assert users == sorted(set(events.filter(within & listened)["user_id"]))
    assert not list((tmp_path / "out").glob("*"))
