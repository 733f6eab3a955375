"""Plays that overlap themselves, against a plain loop over all pairs."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.worlds import AS_OF, MAX_USER_EVENTS
from transforms.events.order_histories import keep_first, keep_others, order_histories
from transforms.tables.schemas import PLAYS, TRACK_CODES

CODES = TRACK_CODES.frame([{"track_id": f"t{code}", "track": code} for code in range(3)])
SECONDS = st.integers(0, 130) | st.sampled_from([5, 60, 61, 3_600])
PLAY_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["a", "b"]),
            "track": st.integers(0, 2),
            "seconds": SECONDS,
            "ms_played": st.sampled_from([None, 0, 4_000, 8_000, 59_999, 60_001, 200_000]),
            "action": st.sampled_from([0, 0, 0, 2]),
        }
    ),
    max_size=14,
)


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that are kept: each play is compared with the one of the same user and track before it."""
    kept = []
    for row in rows:
        of_same = [one for one in rows if row["action"] == one["action"] == 0 and _key(one) == _key(row)]
        before = [one for one in of_same if _order(one) < _order(row)]
        last = max(before, key=_order) if before else None
        gap = row["seconds"] - last["seconds"] if last else 0
        goes_on = last is not None and last["ms_played"] is not None and gap * 1_000 < last["ms_played"]
        if not (0 < gap <= 60 and goes_on):
            kept.append(row)
    return kept


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["user_id"], row["track"]


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["seconds"], row["ms_played"] is None, row["ms_played"] or 0


@given(PLAY_ROWS)
def test_a_play_that_two_services_told_of_is_kept_once(rows: list[dict[str, Any]]) -> None:
    distinct = [dict(items) for items in dict.fromkeys(tuple(sorted(row.items())) for row in rows)]
    start = AS_OF - timedelta(days=3)
    timed = [{**row, "played_at": start + timedelta(seconds=row["seconds"])} for row in distinct]
    frame = PLAYS.frame([{**row, "known_at": row["played_at"]} for row in timed])
    histories = order_histories(frame, max_user_events=MAX_USER_EVENTS)
    kept, others = keep_first(histories), keep_others(histories, track_codes=CODES)
    columns = ("user_id", "track", "ms_played", "action")
    found = sorted(kept.select(*columns, seconds=(kept["played_at"] - start).dt.total_seconds()).rows(), key=str)
    assert found == sorted((tuple(row[name] for name in (*columns, "seconds")) for row in plain(distinct)), key=str)
    assert len(kept) + len(others) == len(distinct) and set(others["reason"]) <= {"overlapping_play"}
