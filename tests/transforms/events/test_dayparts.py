"""Dayparts by each user's local time, against a slow loop, and preferred dayparts."""

from collections import Counter
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tests.worlds import AS_OF
from transforms.events.dayparts import (
    DAYPART_COUNTS,
    DAYPARTS,
    MIN_LIFT,
    add_dayparts,
    count_dayparts,
    preferred_daypart,
)


def plays_at(hours: dict[str, list[int]]) -> pl.DataFrame:
    rows = [
        {"user_id": user, "played_at": AS_OF + timedelta(days=n, hours=hour, minutes=59)}
        for user, of_user in hours.items()
        for n, hour in enumerate(of_user)
    ]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "played_at": pl.Datetime("us", "UTC")})


def slow_part(hours: list[int], hour: int) -> str:
    """The quietest six hours, the first of equals, are 1 to 7 o'clock."""
    counts = Counter(hours)
    quiet = [sum(counts[(start + at) % 24] for at in range(6)) for start in range(24)]
    local = (hour - quiet.index(min(quiet)) + 1) % 24
    return next(
        (name for name, start in reversed(list(zip(DAYPARTS, (5, 12, 17, 22), strict=True))) if local >= start), "night"
    )


def test_every_user_has_a_local_time() -> None:
    rng = np.random.default_rng(2)
    hours = {f"u{n}": [int(h) for h in (rng.normal(20, 3, 40) + rng.integers(24)) % 24] for n in range(20)}
    hours["once"] = [13]
    found = add_dayparts(plays_at(hours))
    parts = [DAYPARTS[part] for part in found["daypart"]]
    assert parts == [slow_part(of_user, hour) for of_user in hours.values() for hour in of_user]
    assert set(parts) == set(DAYPARTS)


def test_the_same_day_in_another_zone_has_the_same_parts() -> None:
    day = [7, 8, 8, 12, 13, 18, 18, 19, 19, 20, 22, 23]
    found = add_dayparts(plays_at({"here": day, "there": [(hour + 9) % 24 for hour in day]}))
    here, there = found.partition_by("user_id", maintain_order=True)
    assert here["daypart"].to_list() == there["daypart"].to_list()


def test_no_plays() -> None:
    assert add_dayparts(plays_at({})).is_empty()


@pytest.mark.parametrize(
    ("mine", "everything", "part"),
    [
        # 8 of 10 in the morning, where all else has a quarter
        ((8, 1, 1, 0), (10, 10, 10, 10), "morning"),
        # as all else
        ((5, 5, 5, 5), (20, 20, 20, 20), None),
        # mostly in the evening, as everything is: nothing stands out but the few plays at night
        ((0, 0, 8, 2), (5, 5, 80, 3), "night"),
        # one play says little
        ((1, 0, 0, 0), (30, 30, 30, 30), "morning"),
        # so few plays have no rhythm
        ((8, 1, 1, 0), (9, 5, 5, 5), None),
    ],
)
def test_preferred_dayparts(mine: tuple[int, ...], everything: tuple[int, ...], part: str | None) -> None:
    counts = dict(zip(DAYPART_COUNTS, mine, strict=True)) | {
        f"user_{name}": n for name, n in zip(DAYPART_COUNTS, everything, strict=True)
    }
    place = pl.DataFrame(counts).select(preferred_daypart()).item()
    lifts = [
        (n + e / sum(everything)) / (sum(mine) + 1) / (e / sum(everything))
        for n, e in zip(mine, everything, strict=True)
    ]
    expected = DAYPARTS[int(np.argmax(lifts))] if max(lifts) >= MIN_LIFT and sum(everything) >= 30 else None
    assert (None if place is None else DAYPARTS[place]) == expected == part


def test_counts_are_of_the_rows_that_count() -> None:
    rows = pl.DataFrame({"daypart": [0, 0, 2, 3], "is_heard": [True, False, True, True]})
    assert rows.select(**count_dayparts(pl.col("is_heard"))).row(0) == (1, 0, 1, 1)
