"""Tables of new columns: types, errors, and the join as of a cutoff against a plain loop."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.options.options import UsageError
from pipelines.signals.table import SignalTable, read_signals
from tests.pipelines.signals.planted_dataset import PAIR, write_table
from tests.worlds import AS_OF, DAY


@pytest.mark.parametrize(
    ("columns", "known_at", "message"),
    [
        ({"user": ["a"], "mood": [1.0]}, "", "no column 'user_id'; it has user, mood"),
        ({"user_id": ["a"]}, "", "it has no new column, only user_id"),
        ({"user_id": ["a"], "mood": [1.0]}, "at", "no column 'at'; it has user_id, mood"),
        ({"user_id": ["a"], "mood": [1.0], "at": ["today"]}, "at", "--known_at=at is String; it must be a time"),
        ({"user_id": [1.5], "mood": [1.0]}, "", "column 'user_id' is Float64; a key is text or a whole number"),
        ({"user_id": ["a"], "mood": ["sad"]}, "", "column 'mood' is String; a signal is a number"),
        ({"user_id": ["a"], "mood": [[1.0]]}, "", "column 'mood' is List(Float64)"),
        (
            {"user_id": ["a", "b", "a"], "mood": [1, 2, 3]},
            "",
            "2 rows share their key, first user_id a; with --known_at",
        ),
        (
            {"user_id": ["a"] * 2, "mood": [1, 2], "at": [AS_OF] * 2},
            "at",
            "2 rows share their key, first user_id a, at",
        ),
    ],
)
def test_unusable_tables_are_refused(tmp_path: Path, columns: dict[str, object], known_at: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        read_signals(write_table(tmp_path, **columns), ("user_id",), known_at, ())
    assert message in str(error.value)


def test_columns_not_named_may_have_any_type(tmp_path: Path) -> None:
    path = write_table(tmp_path, user_id=[7, 8], word=["x", "y"], mood=[True, None], size=[1.0, float("inf")])
    signals = read_signals(path, ("user_id",), "", ("mood", "size"))
    assert signals.columns == ("mood", "size")
    assert signals.rows.rows() == [("7", 1.0, 1.0), ("8", None, None)]


def test_the_newest_value_learned_before_the_cutoff_counts() -> None:
    rng = np.random.default_rng(3)
    hours = pl.Series([AS_OF + timedelta(hours=int(hour)) for hour in rng.integers(-100, 100, 300)])
    pairs = {"user_id": rng.choice(list("abc"), 300), "track_id": rng.choice(list("xy"), 300)}
    values = np.where(rng.random(300) < 0.1, None, rng.integers(0, 1000, 300)).tolist()  # type: ignore[call-overload]
    rows = pl.DataFrame({**pairs, "at": hours, "mood": pl.Series(values, dtype=pl.Float64)})
    rows = rows.unique(["user_id", "track_id", "at"], maintain_order=True)
    cutoffs = [AS_OF, AS_OF - 2 * DAY, AS_OF, AS_OF + DAY]
    asked = pl.DataFrame({"user_id": list("abcd"), "track_id": list("xyxy"), "cutoff_at": cutoffs})
    # a value learned at the cutoff itself was not known before it
    rows = pl.concat([rows, pl.DataFrame({"user_id": ["a"], "track_id": ["x"], "at": [AS_OF], "mood": [-1.0]})])
    found = SignalTable(rows.unique(["user_id", "track_id", "at"], keep="last"), PAIR, ("mood",), "at").values_for(
        asked
    )
    expected = []
    for user, track, cutoff in asked.rows():
        earlier = [(at, mood) for u, t, at, mood in rows.rows() if (u, t) == (user, track) and at < cutoff]
        expected.append(max(earlier)[1] if earlier else None)
    assert [None if np.isnan(value) else value for value in found[:, 0]] == expected
    assert expected[3] is None and None not in expected[:3]


def test_a_value_dated_by_day_is_known_after_the_day(tmp_path: Path) -> None:
    path = write_table(tmp_path, user_id=["a", "a"], day=[date(2025, 12, 30), date(2025, 12, 31)], mood=[1.0, 2.0])
    signals = read_signals(path, ("user_id",), "day", ())
    moments = [AS_OF, AS_OF + timedelta(microseconds=1)]
    assert [signals.as_of(moment)["mood"].to_list() for moment in moments] == [[1.0], [2.0]]
