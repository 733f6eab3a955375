"""The times of a log: its span from footers, its mass from all times, the default of --as_of."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.inputs.event_times import EventTimes, check_times, default_as_of, find_event_times, last_of_mass
from pipelines.inputs.inputs import inspect_input
from pipelines.options.options import UsageError
from transforms.tables.schemas import EVENTS

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
MIN = datetime(1999, 1, 1, tzinfo=timezone.utc)


def write(path: Path, times: pa.Array, **arguments: object) -> None:
    ids = pa.array(["u"] * len(times), pa.string())
    pq.write_table(pa.table({"user_id": ids, "track_id": ids, "played_at": times}), path, **arguments)


def times_of(path: Path, *, needs_mass: bool = True, mapping: str = "") -> EventTimes:
    return find_event_times(inspect_input("events", str(path), mapping, schema=EVENTS), needs_mass=needs_mass)


@pytest.mark.parametrize(
    ("unit", "number", "expected"),
    [
        ("ns", 1_780_272_000_000_000_999, NOW),
        ("ms", 2**62, datetime(9999, 12, 31, tzinfo=timezone.utc)),
        ("us", -(2**62), datetime(1, 1, 1, tzinfo=timezone.utc)),
    ],
)
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("needs_mass", [True, False])
def test_a_time_need_not_be_one_of_python(
    tmp_path: Path, unit: str, number: int, expected: datetime, zone: str | None, statistics: bool, needs_mass: bool
) -> None:
    write(tmp_path / "e.parquet", pa.array([number, None], pa.timestamp(unit, zone)), write_statistics=statistics)
    found = times_of(tmp_path, needs_mass=needs_mass)
    assert found.oldest == found.newest == found.median == expected


@pytest.mark.parametrize("num_rows", [0, 2])
def test_a_log_without_times_has_no_span(tmp_path: Path, num_rows: int) -> None:
    write(tmp_path / "e.parquet", pa.nulls(num_rows))
    assert times_of(tmp_path) == times_of(tmp_path, needs_mass=False) == EventTimes()
    check_times(EventTimes(), NOW, min_played_at=MIN, label_days=7)


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("needs_mass", [True, False])
def test_the_span_is_that_of_all_files(tmp_path: Path, statistics: bool, needs_mass: bool) -> None:
    for name, days in {"a": [-3, None, -1, -2], "b": [None, None], "c": []}.items():
        times = [None if day is None else NOW + timedelta(days=day) for day in days]
        write(
            tmp_path / f"{name}.parquet",
            pa.array(times, pa.timestamp("us")),
            write_statistics=statistics,
            row_group_size=2,
        )
    found = times_of(tmp_path, needs_mass=needs_mass)
    assert (found.oldest, found.newest) == (NOW - timedelta(days=3), NOW - timedelta(days=1))


def test_times_may_be_numbers_text_dates_int96_or_stand_in_the_path(tmp_path: Path) -> None:
    midnight = NOW.replace(tzinfo=None)
    values = {
        "int": pa.array([int(NOW.timestamp())]),
        "text": pa.array([NOW.isoformat()]),
        "date": pa.array([NOW.date()]),
        "int96": pa.array([midnight], pa.timestamp("us")),
    }
    for name, times in values.items():
        path = tmp_path / f"{name}.parquet"
        write(path, times, use_deprecated_int96_timestamps=name == "int96")
        mapping = "played_at:played_at@s" if name == "int" else ""
        for needs_mass in (True, False):
            assert times_of(path, needs_mass=needs_mass, mapping=mapping).newest == NOW
    path = tmp_path / "day=2026-06-01" / "x.parquet"
    path.parent.mkdir()
    pl.DataFrame({"user_id": ["u"], "track_id": ["t"]}).write_parquet(path)
    assert times_of(path, mapping="played_at:day").newest == NOW


def test_int96_beyond_nanoseconds_is_not_wrapped(tmp_path: Path) -> None:
    far = pa.array([datetime(3000, 1, 1), datetime(1500, 1, 1)], pa.timestamp("us"))
    write(tmp_path / "e.parquet", far, use_deprecated_int96_timestamps=True)
    found = times_of(tmp_path)
    assert (found.oldest and found.oldest.year, found.newest and found.newest.year) == (1500, 3000)


@st.composite
def logs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A log in which something happens nearly every day."""
    gaps = draw(st.lists(st.integers(1, 3), min_size=20, max_size=120))
    counts = draw(st.lists(st.integers(8, 30), min_size=len(gaps), max_size=len(gaps)))
    return np.cumsum(gaps), np.array(counts)


@given(log=logs(), strays=st.lists(st.integers(10, 40_000), min_size=1, max_size=3, unique=True))
def test_a_few_clocks_that_are_ahead_are_apart(log: tuple[np.ndarray, np.ndarray], strays: list[int]) -> None:
    days, counts = log
    assert last_of_mass(days, counts) == len(days) - 1
    ahead = days[-1] + np.sort(strays)
    with_strays = last_of_mass(np.append(days, ahead), np.append(counts, [1] * len(strays)))
    assert with_strays == len(days) - 1


@given(log=logs(), outage=st.integers(1, 300), back=st.integers(8, 30), first=st.integers(1, 30))
def test_the_days_after_an_outage_and_a_day_that_has_just_begun_are_not(
    log: tuple[np.ndarray, np.ndarray], outage: int, back: int, first: int
) -> None:
    days, counts = log
    assert last_of_mass(np.append(days, days[-1] + outage), np.append(counts, back)) == len(days)
    assert last_of_mass(np.append(days, days[-1] + 1), np.append(counts, first)) == len(days)


def test_a_small_or_sparse_log_has_no_event_apart() -> None:
    assert last_of_mass(np.array([0, 1, 500]), np.array([20, 20, 1])) == 2
    assert last_of_mass(np.arange(0, 900, 9), np.ones(100)) == 99


def test_the_default_of_as_of_follows_the_mass_and_says_what_it_left_out(tmp_path: Path) -> None:
    times = [NOW - timedelta(hours=hours) for hours in range(500)] + [NOW + timedelta(days=200)]
    write(tmp_path / "e.parquet", pa.array(times, pa.timestamp("us")))
    found = times_of(tmp_path)
    assert default_as_of(found, now=NOW) == NOW + timedelta(microseconds=1)
    assert "1 of them, up to 2026-12-18 00:00, lie apart after 2026-06-01 00:00" in found.remark
    assert not times_of(tmp_path, needs_mass=False).remark


def test_a_log_that_lies_in_the_future_or_has_no_time_has_no_default() -> None:
    with pytest.raises(UsageError, match="in the future"):
        default_as_of(EventTimes(newest=NOW + timedelta(days=2)), now=NOW)
    with pytest.raises(UsageError, match="no event has a time"):
        default_as_of(EventTimes(), now=NOW)
