from typing import Any

import apache_beam as beam
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.stages import joined, run_graphs, tables_of
from tests.worlds import AS_OF, DAY, MAX_USER_EVENTS
from transforms.events.order_histories import OrderHistories, keep_first, keep_others, order_histories
from transforms.tables.buckets import Opened, open_frame
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import HISTORIES, PLAYS, REJECTED, TRACK_CODES

CODES = TRACK_CODES.frame([{"track_id": "t0", "track": 0}, {"track_id": "t1", "track": 1}])

events = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["a", "b", "c"]),
        "track": st.sampled_from([0, 1]),
        "played_at": st.sampled_from([AS_OF - 3 * DAY, AS_OF - 2 * DAY]),
        "known_at": st.sampled_from([AS_OF - 1.5 * DAY, AS_OF - DAY]),
        "ms_played": st.none() | st.sampled_from([1_000, 2_000]),
        "action": st.sampled_from([0, 2]),
        "is_manual": st.none() | st.booleans(),
        "is_shuffle": st.none() | st.booleans(),
    }
)
absent = st.fixed_dictionaries({"user_id": st.sampled_from(["a", "b", "c", "d"])})


def identity_of(row: dict) -> tuple:  # type: ignore[type-arg]
    return tuple(row[name] for name in PLAYS.names if name not in ("known_at", "market", "is_manual", "is_shuffle"))


@given(st.lists(events | absent, max_size=25), st.randoms())
def test_events_are_kept_once_and_users_never_lost(rows: list[dict], random) -> None:  # type: ignore[type-arg,no-untyped-def]
    histories = order_histories(PLAYS.frame(rows), max_user_events=MAX_USER_EVENTS)
    kept, doubles = (
        to_table(keep_first(histories), PLAYS),
        keep_others(to_frame(to_table(histories, HISTORIES)), track_codes=CODES),
    )
    identity = [identity_of(row) for row in rows if "track" in row]
    found = [identity_of(row) for row in kept.to_pylist() if row["track"] is not None]
    assert len(found) == len(set(found)) and set(found) == set(identity)
    assert len(to_table(doubles, REJECTED)) == len(identity) - len(found)
    placeholders = [row["user_id"] for row in kept.to_pylist() if row["track"] is None]
    played = {row["user_id"] for row in rows if "track" in row}
    assert sorted(placeholders) == sorted({row["user_id"] for row in rows} - played)
    shuffled = random.sample(rows, len(rows))
    assert to_table(keep_first(order_histories(PLAYS.frame(shuffled), max_user_events=MAX_USER_EVENTS)), PLAYS).equals(
        kept
    )


def test_the_first_delivery_of_an_event_is_kept() -> None:
    row = {"user_id": "a", "track": 0, "played_at": AS_OF - DAY, "ms_played": 1_000, "action": 0}
    twice = [{**row, "known_at": AS_OF}, {**row, "known_at": AS_OF - DAY}]
    histories = order_histories(PLAYS.frame(twice), max_user_events=MAX_USER_EVENTS)
    assert keep_first(histories)["known_at"].to_list() == [AS_OF - DAY]
    (double,) = keep_others(histories, track_codes=CODES).to_dicts()
    assert double["reason"] == "exact_duplicate" and double["track_id"] == "t0" and double["action"] == "play"


def test_plays_are_in_order_of_user_and_time() -> None:
    rows = [
        {"user_id": user, "track": 0, "played_at": AS_OF - days * DAY, "known_at": AS_OF - days * DAY, "action": 0}
        for user, days in [("b", 1), ("a", 1), ("b", 3), ("a", 2)]
    ]
    kept = keep_first(order_histories(PLAYS.frame(rows), max_user_events=MAX_USER_EVENTS))
    assert kept.select(pl.col("user_id").cast(pl.String), (AS_OF - pl.col("played_at")).dt.total_days()).rows() == [
        ("a", 2),
        ("a", 1),
        ("b", 3),
        ("b", 1),
    ]


def test_the_market_of_the_user_table_is_set_in_all_rows() -> None:
    play = {"track": 0, "played_at": AS_OF - DAY, "known_at": AS_OF - DAY, "action": 0}
    rows = [
        {"user_id": "a", **play},
        {"user_id": "a", "market": 3},
        {"user_id": "b", **play},
        {"user_id": "c", "market": 4},
    ]
    kept = keep_first(order_histories(PLAYS.frame(rows), max_user_events=MAX_USER_EVENTS))
    assert kept.select(pl.col("user_id").cast(pl.String), "track", "market").rows() == [
        ("a", 0, 3),
        ("b", 0, None),
        ("c", None, 4),
    ]


def test_the_stage_splits_histories_from_events_that_do_not_count() -> None:
    row = {
        "user_id": "a",
        "track": 0,
        "played_at": AS_OF - DAY,
        "known_at": AS_OF - DAY,
        "ms_played": 1_000,
        "action": 0,
    }
    older = {**row, "played_at": AS_OF - 2 * DAY, "known_at": AS_OF - 2 * DAY}
    rows = [row, row, older, {**older, "track": 1}]

    def build(root: beam.Pipeline) -> Any:
        opened = Opened(tables_of(root, "codes", TRACK_CODES, [CODES]), open_frame)
        frames = [PLAYS.frame(rows), PLAYS.frame([{**row, "user_id": "b"}])]
        return tables_of(root, "plays", PLAYS, frames) | OrderHistories(opened, max_user_events=2, listed=None)

    plays, rejected = (joined(elements) for elements in run_graphs(build))
    assert plays.select("user_id", "played_at").rows() == [
        ("a", older["played_at"]),
        ("a", row["played_at"]),
        ("b", row["played_at"]),
    ]
    assert sorted(rejected["reason"]) == ["exact_duplicate", "over_max_user_events"]
