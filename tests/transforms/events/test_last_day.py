"""Counts of the last day of a log: the day's ends, propensities, and impressions that are there twice."""

from datetime import datetime, timedelta, timezone

import polars as pl
import pytest

from transforms.events.impressions import IMPRESSION_ROWS
from transforms.events.last_day import (
    add_keys,
    count_last_day_impressions,
    count_last_day_plays,
    count_repeats,
    impression_keys,
)
from transforms.tables.schemas import LIKE, PLAY, PLAYS

AS_OF = datetime(2026, 1, 10, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def impressions(*rows: tuple[str, str, datetime, float | None]) -> pl.DataFrame:
    """Build IMPRESSION_ROWS of user, track, time and propensity, at the first place of Home."""
    names = ("user_id", "track_id", "shown_at", "propensity")
    place = {"surface": "home", "shelf_position": 0, "position": 0}
    return IMPRESSION_ROWS.frame([dict(zip(names, row, strict=True)) | place for row in rows])


def plays(at: datetime, action: int = PLAY) -> pl.DataFrame:
    return PLAYS.frame([{"user_id": "u", "track": 1, "played_at": at, "action": action}])


@pytest.mark.parametrize(
    ("hours_before", "counted"), [(0, 0), (1, 1), (24, 1), (25, 0)], ids=["the moment", "within", "start", "before"]
)
def test_only_plays_of_the_day_before_the_moment_count(hours_before: int, counted: int) -> None:
    found = count_last_day_plays(plays(AS_OF - hours_before * HOUR), as_of=AS_OF)
    assert found.rows() == [("last_day/plays", counted)]


def test_a_like_is_no_play() -> None:
    assert count_last_day_plays(plays(AS_OF - HOUR, action=LIKE), as_of=AS_OF)["n"].sum() == 0


def test_a_repeat_is_the_same_card_at_the_same_time_in_whichever_tables_both_are() -> None:
    at = AS_OF - HOUR
    once = impressions(("u", "a", at, 0.5), ("u", "b", at, 0.5), ("v", "a", at, 0.5), ("u", "a", at + HOUR / 2, 0.5))
    again = impressions(("u", "a", at, None), ("u", "a", at - 24 * HOUR, 0.5))
    keys = [impression_keys(table, as_of=AS_OF) for table in (once, again)]
    assert dict(count_repeats(keys[0]).rows()) == {"last_day/keys": 4, "last_day/repeats": 0}
    merged = add_keys(pl.concat(keys))
    assert dict(count_repeats(merged).rows()) == {"last_day/keys": 4, "last_day/repeats": 1}


def test_propensities_are_missed_on_the_last_day_only() -> None:
    rows = impressions(
        ("u", "a", AS_OF - HOUR, None), ("u", "b", AS_OF - HOUR, 0.5), ("u", "b", AS_OF - 30 * HOUR, None)
    )
    found = dict(count_last_day_impressions(rows, as_of=AS_OF).rows())
    assert found == {"last_day/impressions": 2, "last_day/without_propensity": 1}


def test_a_sample_of_keys_counts_all_rows_of_those_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    at = AS_OF - HOUR
    rows = [(f"u{number}", "a", at, 0.5) for number in range(100)]
    whole = add_keys(pl.concat([impression_keys(impressions(*rows, *rows), as_of=AS_OF)] * 2))
    monkeypatch.setattr("transforms.events.last_day._MAX_KEYS", 10)
    parts = [impression_keys(impressions(*rows[start::2]), as_of=AS_OF) for start in (0, 1)] * 4
    assert add_keys(pl.concat(parts)).rows() == whole.head(10).rows()
