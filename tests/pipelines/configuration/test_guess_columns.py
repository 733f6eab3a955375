"""Columns of other services are known by their names and first values."""

from datetime import datetime, timezone

import polars as pl
import pytest

from pipelines.configuration.guess_columns import guess_columns
from transforms.tables.schemas import EVENTS, TRACKS, USERS

MOMENT = 1_735_689_600


def guessed(schema: object, **columns: list[object]) -> dict[str, str]:
    rows = pl.DataFrame(columns, strict=False)
    return {one.ours: one.theirs for one in guess_columns(rows, schema)}  # type: ignore[arg-type]


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_the_unit_of_a_time_follows_from_its_size(unit: str, factor: int, as_text: bool) -> None:
    values: list[object] = [MOMENT * factor + n for n in range(3)]
    found = guessed(EVENTS, userId=[1, 2, 3], song=[4, 5, 6], ts=[str(one) for one in values] if as_text else values)
    assert found == {"user_id": "userId", "track_id": "song", "played_at": f"ts@{unit}"}


@pytest.mark.parametrize(
    "value", ["2025-01-01T10:00:00Z", "2025-01-01 10:00", datetime(2025, 1, 1, tzinfo=timezone.utc)]
)
def test_a_written_time_needs_no_unit(value: object) -> None:
    assert guessed(EVENTS, user_id=["u"], track_id=["t"], listened_at=[value])["played_at"] == "listened_at"


@pytest.mark.parametrize(
    ("name", "value", "theirs"),
    [
        ("playtime_s", 199, "playtime_s*1000"),
        ("seconds", "199", "seconds*1000"),
        ("played_ms", 199_000, "played_ms"),
        ("ms_played", 30, "ms_played"),
        ("playtime", 199_000, "playtime"),
    ],
)
def test_the_unit_of_a_length_follows_from_its_name_or_size(name: str, value: object, theirs: str) -> None:
    assert guessed(EVENTS, user_id=["u"], **{name: [value]})["ms_played"] == theirs


def test_what_has_a_name_but_not_the_values_is_left_alone() -> None:
    found = guessed(EVENTS, user=["u"], track=["t"], time=["morning"], date=["2025-01-01"], type=["stream"])
    assert found == {"user_id": "user", "track_id": "track", "played_at": "date"}
    assert guessed(EVENTS, user=["u"], type=["like"])["action"] == "type"


def test_a_column_is_taken_once_and_lists_are_split_where_most_are() -> None:
    found = guessed(TRACKS, song=["t"], artist=["a"], tags=["rock|pop"], name=["n"], embedding=[[0.5, 0.5]])
    assert found == {
        "track_id": "song",
        "title": "name",
        "artist_id": "artist",
        "genres": "tags@split(|)",
        "vector": "embedding",
    }
    assert guessed(TRACKS, track_id=["t"], genres=["a;b"])["genres"] == "genres@split(;)"
    assert guessed(USERS, id=["u"], country=["SE"]) == {"market": "country"}
