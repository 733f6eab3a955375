"""Instances and refresh periods of shelves."""

from datetime import date

import polars as pl
import pytest

from transforms.events.dayparts import DAYPARTS
from transforms.pages.shelves.shelf import DAYPART, GENRE, SEED_TRACK, WEEKLY, Shelf
from transforms.pages.shelves.shelves import SHELVES


def shelf(**fields: object) -> Shelf:
    return Shelf("x", "X", "Because", pl.lit(True), pl.col("score"), "all", **fields)  # type: ignore[arg-type]


def test_a_week_is_the_iso_week_across_the_turn_of_the_year() -> None:
    monday, sunday, next_monday = date(2025, 12, 29), date(2026, 1, 4), date(2026, 1, 5)
    assert WEEKLY.key(monday) == WEEKLY.key(sunday) != WEEKLY.key(next_monday)
    assert [WEEKLY.day_number(day) for day in (monday, sunday, next_monday)] == [1, 7, 1]


def test_one_shelf_at_most_keeps_its_tracks() -> None:
    assert sum(one.refresh is not None for one in SHELVES) <= 1


@pytest.mark.parametrize(
    ("kind", "code", "name"),
    [(DAYPART, 1, f"x of {DAYPARTS[1]}"), (GENRE, 1, "x"), (SEED_TRACK, 1, "x"), (None, 0, "x")],
)
def test_instances_are_named_by_their_labels(kind: object, code: int, name: str) -> None:
    assert shelf(instance=kind).instance_name(code) == name


def test_labels_of_unknown_codes_are_null() -> None:
    codes = pl.DataFrame({"code": [0, 99, None]})
    label = DAYPART.label()
    assert label is not None and GENRE.label() is None
    assert codes.select(label)["code"].to_list() == [DAYPARTS[0], None, None]
