from datetime import datetime, timedelta, timezone
from typing import Any

import apache_beam as beam
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stages import joined, run_graphs, tables_of
from tests.worlds import AS_OF, MAX_USER_EVENTS, MIN_PLAYED_AT
from transforms.events.clean_events import (
    CleanEvents,
    clean_events,
    count_cleared_users,
    keep_plays,
    keep_rejected,
    users_without_events,
)
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.columns import to_table
from transforms.tables.schemas import (
    ACTIONS,
    CHECKED,
    EVENT_ROWS,
    FUTURE,
    PLAYS,
    REASONS,
    REJECTED,
    TRACK_CODES,
    USER_ROWS,
)

CODES = TRACK_CODES.frame([{"track_id": "t0", "track": 0}, {"track_id": "t1", "track": 1}])
# what one row can have; the others need several
CHECKED_REASONS = REASONS[: REASONS.index("over_max_user_events")]
GOOD = {"user_id": "u", "track_id": "t1", "played_at": AS_OF - timedelta(hours=1), "ms_played": 5_000, "action": "like"}

times = (
    st.none()
    | st.sampled_from([AS_OF, AS_OF - timedelta(microseconds=1), AS_OF + timedelta(days=1)])
    | st.sampled_from([datetime(year, 1, 1, tzinfo=timezone.utc) for year in (1, 1969, 1970, 1998, 1999, 9999)])
    | st.datetimes(datetime(1960, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc))
)
rows = st.fixed_dictionaries(
    {
        "user_id": st.none() | st.sampled_from(["", "u", "ü"]),
        "track_id": st.none() | st.sampled_from(["", "t0", "t1", "nobody's"]),
        "played_at": times,
        "ms_played": st.none() | st.sampled_from([-(2**62), -1, 0, 29_999, 2**62]),
        "action": st.none() | st.sampled_from([*ACTIONS, "hummed", ""]),
        "arrived_at": times,
    }
)


def expected_reason(row: dict) -> str | None:  # type: ignore[type-arg]
    """The same rules, a row at a time."""
    rules = {
        "missing_user": not row["user_id"],
        "missing_track": not row["track_id"],
        "missing_time": row["played_at"] is None,
        "in_the_future": row["played_at"] is not None and row["played_at"] >= AS_OF,
        "arrived_in_the_future": row.get("arrived_at") is not None and row["arrived_at"] >= AS_OF,
        "before_min_played_at": row["played_at"] is not None and row["played_at"].year < 1999,
        "negative_duration": (row["ms_played"] or 0) < 0,
        "unknown_action": row["action"] is not None and row["action"] not in ACTIONS,
        "unknown_track": row["track_id"] not in ("t0", "t1"),
    }
    return next((reason for reason, holds in rules.items() if holds), None)


@given(st.lists(rows, max_size=25))
def test_every_row_is_kept_or_has_the_first_reason_that_holds(events: list[dict]) -> None:  # type: ignore[type-arg]
    checked = clean_events(
        EVENT_ROWS.frame(events),
        as_of=AS_OF,
        min_played_at=MIN_PLAYED_AT,
        track_codes=CODES,
        max_user_events=MAX_USER_EVENTS,
    )
    to_table(checked, CHECKED)
    assert checked["reason"].cast(pl.String).to_list() == [expected_reason(row) for row in events]
    plays, rejected = to_table(keep_plays(checked), PLAYS), to_table(keep_rejected(checked), REJECTED)
    assert (len(plays) - plays["track"].null_count) + len(rejected) == len(events)
    assert set(rejected["reason"].to_pylist()) <= set(REASONS)
    known = {row["user_id"] for row in events if row["user_id"] and expected_reason(row) not in FUTURE}
    assert set(plays["user_id"].to_pylist()) == known


@pytest.mark.parametrize("reason", CHECKED_REASONS)
def test_each_reason_takes_precedence_as_listed(reason: str) -> None:
    spoiled = {
        "missing_user": {"user_id": None},
        "missing_track": {"track_id": None},
        "missing_time": {"played_at": None},
        "in_the_future": {"played_at": AS_OF},
        "arrived_in_the_future": {"arrived_at": AS_OF},
        "before_min_played_at": {"played_at": MIN_PLAYED_AT - timedelta(microseconds=1)},
        "negative_duration": {"ms_played": -1},
        "unknown_action": {"action": "hummed"},
        "unknown_track": {"track_id": "nobody's"},
    }
    row = dict(GOOD)
    for later in reversed(CHECKED_REASONS[CHECKED_REASONS.index(reason) :]):
        row |= spoiled[later]
    checked = clean_events(
        EVENT_ROWS.frame([row]),
        as_of=AS_OF,
        min_played_at=MIN_PLAYED_AT,
        track_codes=CODES,
        max_user_events=MAX_USER_EVENTS,
    )
    assert checked["reason"].cast(pl.String).to_list() == [reason]


def test_a_kept_row_has_the_columns_of_plays() -> None:
    late = {**GOOD, "ms_played": 2**62, "arrived_at": AS_OF - timedelta(minutes=1), "action": None}
    plays = keep_plays(
        clean_events(
            EVENT_ROWS.frame([GOOD | {"is_manual": True, "is_shuffle": False}, late]),
            as_of=AS_OF,
            min_played_at=MIN_PLAYED_AT,
            track_codes=CODES,
            max_user_events=MAX_USER_EVENTS,
        )
    )
    assert plays["track"].to_list() == [1, 1] and plays["action"].to_list() == [ACTIONS.index("like"), 0]
    assert plays["known_at"].to_list() == [GOOD["played_at"], late["arrived_at"]]
    assert plays["ms_played"].to_list() == [5_000, 86_400_000]
    assert plays.select("is_manual", "is_shuffle").rows() == [(True, False), (None, None)]


def test_markets_that_are_none_are_counted() -> None:
    rows = [
        {"user_id": user, "market": market}
        for user in ("u", "", None)
        for market in ("DE", "de", "Deutschland", "", None)
    ]
    assert count_cleared_users(USER_ROWS.frame(rows)).rows() == [("users/cleared/market", 1)]


def test_listed_users_are_rows_without_a_track() -> None:
    users = USER_ROWS.frame([{"user_id": "u"}, {"user_id": "v", "market": "BA"}, {"user_id": ""}, {"user_id": None}])
    plays = to_table(users_without_events(users), PLAYS)
    nothing = dict.fromkeys(PLAYS.names)
    assert plays.to_pylist() == [{**nothing, "user_id": "u"}, {**nothing, "user_id": "v", "market": 26}]


def test_the_stage_splits_plays_from_rejected_events() -> None:
    rows = [GOOD, {**GOOD, "user_id": None}, {**GOOD, "user_id": "v"}, {**GOOD, "track_id": "unheard of"}]

    def build(root: beam.Pipeline) -> Any:
        opened = Opened(tables_of(root, "codes", TRACK_CODES, [CODES]), open_frame)
        events = tables_of(root, "events", EVENT_ROWS, [EVENT_ROWS.frame(rows[:2]), EVENT_ROWS.frame(rows[2:])])
        return events | CleanEvents(AS_OF, MIN_PLAYED_AT, opened, MAX_USER_EVENTS)

    plays, rejected = (joined(elements) for elements in run_graphs(build))
    assert plays.drop_nulls("track").select("user_id", "track").rows() == [("u", 1), ("v", 1)]
    assert rejected["reason"].to_list() == ["missing_user", "unknown_track"]
