"""homeshelf signal: the command, its table and its errors; what it finds is in test_signal_findings.py."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.cli import main
from pipelines.options.options import UsageError
from pipelines.signals.table import SignalTable, read_signals
from tests.runs import Published
from tests.worlds import AS_OF, DAY

PAIR = ("user_id", "track_id")


def table_of(folder: Path, name: str = "new.parquet", **columns: object) -> str:
    pl.DataFrame(columns).write_parquet(folder / name)
    return str(folder / name)


def candidates(published: Published, table: str) -> pl.DataFrame:
    return published.table(table).select(pl.col("user_id", "track_id").cast(pl.String), "cutoff_at", "label_listened")


def test_three_columns_get_three_verdicts(
    published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    rows = pl.concat([candidates(published, name) for name in ("features", "holdout")])
    noise = pl.Series(rng.standard_normal(len(rows)))
    planted = rows.select(
        "user_id",
        "track_id",
        learned_at=pl.col("cutoff_at") - timedelta(hours=1),
        future=pl.col("label_listened") + 0.5 * noise,
        is_odd=pl.Series(rng.random(len(rows)) < 0.5),
    ).rename({"is_odd": "is [red]odd"})
    # what is learned later never counts, whatever it says
    later = planted.with_columns(pl.col("learned_at") + timedelta(hours=1), future=pl.lit(9.0))
    pl.concat([later, planted]).write_parquet(tmp_path / "new.parquet")
    flags = [f"--run={published.folder}", f"--table={tmp_path}/new.parquet", "--key=track_id,user_id"]
    flags += ["--known_at=learned_at", "--num_threads=1", f"--output={tmp_path}/found.json"]
    assert main(["signal", *flags]) == 3
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    future, odd = found["columns"]
    assert (future["verdict"], odd["verdict"]) == ("leaks", "no evidence")
    assert "future: leaks" in out and "is [red]odd: no evidence" in out and "jumps at the cutoff" in out
    assert not any("known_at" in caution for caution in future["cautions"])
    assert future["coverage"]["training"] == odd["coverage"]["one window later"] == 1
    heads = [row["reward"] for row in future["rewards"]]
    assert heads == [*published.manifest["training"]["heads"], "all by weight"]
    assert all(f"\n {name} " in out for name in heads)
    assert found["candidates"] == len(published.table("holdout"))
    assert main(["signal", *flags, "--columns=is [red]odd"]) == 4


def test_a_run_without_a_ranker_and_a_table_of_others_are_refused(
    published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_of(tmp_path, user_id=["nobody"], mood=[1.0])
    assert main(["signal", f"--run={published.folder}", f"--table={table}", "--key=user_id"]) == 2
    assert "have no user_id in common: the first of the table is 'nobody'" in capsys.readouterr().err
    late = table_of(tmp_path, "late.parquet", user_id=published.table("holdout")["user_id"][:1], at=[AS_OF], mood=[1.0])
    flags = ["--key=user_id", "--known_at=at"]
    assert main(["signal", f"--run={published.folder}", f"--table={late}", *flags]) == 2
    assert "no value of theirs that was known before 2026-01-01" in capsys.readouterr().err
    nowhere = [f"--run={published.folder}", f"--table={table}", "--key=user_id", f"--output={tmp_path}/no/found.json"]
    assert main(["signal", *nowhere]) == 2 and "there is no such folder" in capsys.readouterr().err
    assert main(["signal", f"--run={tmp_path}", f"--table={table}", "--key=user_id"]) == 2
    assert "no published run there" in capsys.readouterr().err
    assert main(["signal", f"--run={published.folder}", f"--table={table}", "--key=artist_id"]) == 2
    assert "'artist_id' is none of user_id; track_id; user_id,track_id" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "known_at", "message"),
    [
        ({"user": ["a"], "mood": [1.0]}, "", "no column 'user_id'; it has user, mood"),
        ({"user_id": ["a"]}, "", "no column to judge beside user_id"),
        ({"user_id": ["a"], "mood": [1.0]}, "at", "no column 'at'; it has user_id, mood"),
        ({"user_id": ["a"], "mood": [1.0], "at": ["today"]}, "at", "--known_at=at is String; it must be a time"),
        ({"user_id": [1.5], "mood": [1.0]}, "", "column 'user_id' is Float64; a key is text or a whole number"),
        ({"user_id": ["a"], "mood": ["sad"]}, "", "column 'mood' is String; a signal is a number"),
        ({"user_id": ["a"], "mood": [[1.0]]}, "", "column 'mood' is List(Float64)"),
        ({"user_id": ["a", "b", "a"], "mood": [1, 2, 3]}, "", "2 rows share their key, first user_id a; --known_at"),
        (
            {"user_id": ["a"] * 2, "mood": [1, 2], "at": [AS_OF] * 2},
            "at",
            "2 rows share their key, first user_id a, at",
        ),
    ],
)
def test_a_table_that_is_no_signal_is_refused(
    tmp_path: Path, columns: dict[str, object], known_at: str, message: str
) -> None:
    with pytest.raises(UsageError) as error:
        read_signals(table_of(tmp_path, **columns), ("user_id",), known_at, ())
    assert message in str(error.value)


def test_columns_that_were_not_asked_for_may_be_anything(tmp_path: Path) -> None:
    path = table_of(tmp_path, user_id=[7, 8], word=["x", "y"], mood=[True, None], size=[1.0, float("inf")])
    signals = read_signals(path, ("user_id",), "", ("mood", "size"))
    assert signals.columns == ("mood", "size")
    assert signals.rows.rows() == [("7", 1.0, 1.0), ("8", None, None)]


def test_the_newest_value_of_before_the_cutoff_counts() -> None:
    rng = np.random.default_rng(3)
    hours = pl.Series([AS_OF + timedelta(hours=int(hour)) for hour in rng.integers(-100, 100, 300)])
    pairs = {"user_id": rng.choice(list("abc"), 300), "track_id": rng.choice(list("xy"), 300)}
    values = np.where(rng.random(300) < 0.1, None, rng.integers(0, 1000, 300)).tolist()  # type: ignore[call-overload]
    rows = pl.DataFrame({**pairs, "at": hours, "mood": pl.Series(values, dtype=pl.Float64)})
    rows = rows.unique(["user_id", "track_id", "at"], maintain_order=True)
    cutoffs = [AS_OF, AS_OF - 2 * DAY, AS_OF, AS_OF + DAY]
    asked = pl.DataFrame({"user_id": list("abcd"), "track_id": list("xyxy"), "cutoff_at": cutoffs})
    # a value that was learned at the moment itself was not known before it
    rows = pl.concat([rows, pl.DataFrame({"user_id": ["a"], "track_id": ["x"], "at": [AS_OF], "mood": [-1.0]})])
    found = SignalTable(rows.unique(["user_id", "track_id", "at"], keep="last"), PAIR, ("mood",), "at").joined(asked)
    expected = []
    for user, track, cutoff in asked.rows():
        earlier = [(at, mood) for u, t, at, mood in rows.rows() if (u, t) == (user, track) and at < cutoff]
        expected.append(max(earlier)[1] if earlier else None)
    assert [None if np.isnan(value) else value for value in found[:, 0]] == expected
    assert expected[3] is None and None not in expected[:3]


def test_a_date_is_known_when_it_is_over(tmp_path: Path) -> None:
    path = table_of(tmp_path, user_id=["a", "a"], day=[date(2025, 12, 30), date(2025, 12, 31)], mood=[1.0, 2.0])
    signals = read_signals(path, ("user_id",), "day", ())
    moments = [AS_OF, AS_OF + timedelta(microseconds=1)]
    assert [signals.at(moment)["mood"].to_list() for moment in moments] == [[1.0], [2.0]]
