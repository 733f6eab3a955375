"""homeshelf compare, and what evaluate refuses."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from tests.pipelines.evaluation.evaluations import SMALL, evaluate

CUTOFF = "--as_of=2025-12-24"
QUICK = "--baselines=most_popular,repeat_recent"


@pytest.fixture(scope="module")
def folders(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    one, other = (tmp_path_factory.mktemp(name) for name in ("one", "other"))
    evaluate(world, one, CUTOFF, baselines=QUICK)
    # a page of two tracks is worse than one of eighty
    evaluate(world, other, CUTOFF, "--max_shelves=1", "--shelf_size=2", baselines=QUICK)
    return one, other


def test_two_evaluations_are_compared_on_the_same_users(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *map(str, folders)]) == 0
    printed = capsys.readouterr().out
    (row,) = (line for line in printed.splitlines() if line.split()[:3] == ["page", "share_of_plays", "all"])
    assert "worse" in row
    (row,) = (line for line in printed.splitlines() if line.split()[:3] == ["repeat_recent", "ndcg@10", "all"])
    assert "no difference" in row and "+0.0000" in row
    assert "not the same users" not in printed


@pytest.mark.parametrize(("gate", "status"), [("page", 3), ("ranker,repeat_recent", 0)])
def test_a_gate_fails_where_a_system_is_worse(gate: str, status: int, folders: tuple[Path, Path]) -> None:
    assert main(["compare", *map(str, folders), f"--gate={gate}"]) == status
    assert main(["compare", "--gate", gate, *map(str, folders)]) == status


def test_what_cannot_be_compared_is_refused(
    world: Path, folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(world, tmp_path / "later", CUTOFF, "--horizon_days=3", baselines="--baselines=none")
    cases = {
        (str(folders[0]), str(tmp_path / "later")): "not the same protocol: horizon_days is 7.0 in",
        (str(folders[0]), str(tmp_path / "nothing")): "report.json: not the report of an evaluation",
        (str(folders[0]),): "compare takes the folders of two evaluations",
        (*map(str, folders), "--gate=nobody"): "--gate: 'nobody' is not in both evaluations",
        (*map(str, folders), "--gates=page"): "unknown flag --gates=page",
    }
    for arguments, message in cases.items():
        assert main(["compare", *arguments]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--as_of=2025-12-28"], "its horizon ends on 2026-01-04 00:30, but the newest event is of 2025-12-31"),
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


def test_a_list_like_ours_is_measured_like_ours(world: Path, tmp_path: Path) -> None:
    events = pl.read_parquet(world / "events" / "*.parquet")
    cutoff_at = pl.lit("2025-12-24").str.to_datetime(time_zone="UTC")
    known = pl.max_horizontal("played_at", "arrived_at") < cutoff_at
    listens = events.filter(known & (pl.col("action") == "play") & (pl.col("ms_played") >= 30_000))
    recent = listens.sort("played_at", descending=True).unique(
        ["user_id", "track_id"], keep="first", maintain_order=True
    )
    rank = pl.int_range(pl.len(), dtype=pl.Int64).over("user_id").alias("rank")
    recent.select("user_id", "track_id", rank).write_parquet(tmp_path / "mine.parquet")
    report = evaluate(world, tmp_path / "out", CUTOFF, f"--lists=mine:{tmp_path}/mine.parquet", baselines=QUICK)
    values = {
        (row["system"], row["metric"], row["targets"]): (row["value"], row["low"], row["high"])
        for row in report["values"]
        if row["segment"] == "everyone" and row["cutoff"] == ""
    }
    for metric in ("ndcg@10", "mrr", "recall@100"):
        for kind in ("all", "repeats", "discoveries"):
            assert values["mine", metric, kind] == values["repeat_recent", metric, kind]
    assert report["systems"]["mine"]["kind"] == "given" and len(SMALL) > 1
