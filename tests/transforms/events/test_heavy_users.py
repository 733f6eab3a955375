"""Heavy users: the newest events are kept, for any distribution of events over tables."""

import numpy as np
import polars as pl
import pytest

from tests.worlds import AS_OF, DAY, MIN_PLAYED_AT
from transforms.events.clean_events import clean_events, keep_plays, keep_rejected
from transforms.events.order_histories import keep_first, keep_others, order_histories
from transforms.tables.columns import to_frame, to_table
from transforms.tables.schemas import CHECKED, EVENT_ROWS, PLAYS, REJECTED, TRACK_CODES

CODES = TRACK_CODES.frame([{"track_id": f"t{number}", "track": number} for number in range(5)])
MAX_USER_EVENTS = 7
IDENTITY = ["user_id", "track_id", "played_at", "ms_played", "action"]


def events_of(seed: int) -> pl.DataFrame:
    """Events of few users, tracks and times, many of them duplicates, some rejected."""
    rng = np.random.default_rng(seed)
    sizes = {"ü": 60, "few": 4, "many": 30, "just": MAX_USER_EVENTS}
    rows = [
        {
            "user_id": user,
            "track_id": f"t{rng.integers(6)}",
            "played_at": AS_OF - DAY * int(rng.integers(-1, 15)),
            "ms_played": int(rng.choice([-1, 0, 10_000, 2**40, 2**50])),
            "action": [None, "play", "like", "hummed"][rng.integers(4)],
        }
        for user, size in sizes.items()
        for _ in range(size)
    ]
    # every second one is delivered twice
    return EVENT_ROWS.frame([*rows, *rows[::2]])


def reference(events: pl.DataFrame) -> tuple[list[tuple], list[tuple]]:
    """Kept events by a slow loop, and events rejected as too old."""
    actions = {name: place for place, name in enumerate(("play", "save", "like", "dislike", "playlist_add"))}
    kept: list[tuple] = []
    older: list[tuple] = []
    seen = events.cast({"user_id": pl.String, "track_id": pl.String, "action": pl.String})
    good = [
        {**row, "ms_played": min(row["ms_played"], 86_400_000), "action": row["action"] or "play"}
        for row in seen.to_dicts()
        if row["played_at"] < AS_OF
        and row["ms_played"] >= 0
        and row["action"] in (None, *actions)
        and row["track_id"] != "t5"
    ]
    for user in {row["user_id"] for row in good}:
        rows = [tuple(row[name] for name in IDENTITY) for row in good if row["user_id"] == user]
        newest = sorted(set(rows), key=lambda row: (row[2], row[1], actions[row[4]], row[3]))[-MAX_USER_EVENTS:]
        kept += newest
        older += [row for row in rows if row not in newest]
    return sorted(kept), sorted(older)


@pytest.mark.parametrize("num_tables", [1, 3, 20])
@pytest.mark.parametrize("seed", range(4))
def test_the_newest_are_kept_however_events_lie_in_tables(seed: int, num_tables: int) -> None:
    events = events_of(seed)
    place = np.random.default_rng(seed + 100).integers(num_tables, size=len(events))
    plays, rejected = [], []
    for number in range(num_tables):
        strings = events.filter(pl.Series(place == number)).cast({"user_id": pl.String, "track_id": pl.String})
        part = EVENT_ROWS.frame(strings.to_dicts())
        checked = clean_events(
            part, as_of=AS_OF, min_played_at=MIN_PLAYED_AT, track_codes=CODES, max_user_events=MAX_USER_EVENTS
        )
        checked = to_frame(to_table(checked, CHECKED))
        plays.append(keep_plays(checked).cast({"user_id": pl.String}))
        rejected.append(strings_of(to_frame(to_table(keep_rejected(checked), REJECTED))))
    together = to_frame(to_table(pl.concat(plays), PLAYS))
    histories = order_histories(together, max_user_events=MAX_USER_EVENTS)
    rejected.append(strings_of(to_frame(to_table(keep_others(histories, track_codes=CODES), REJECTED))))
    kept = keep_first(histories).drop_nulls("track")
    actions = pl.Series(["play", "save", "like", "dislike", "playlist_add"])
    found = kept.select(
        pl.col("user_id").cast(pl.String),
        CODES["track_id"].cast(pl.String).gather(kept["track"]),
        "played_at",
        pl.col("ms_played").cast(pl.Int64),
        actions.gather(kept["action"]).alias("action"),
    )
    others = pl.concat(rejected)
    older = others.filter(reason="over_max_user_events").select(IDENTITY)
    assert (sorted(found.rows()), sorted(older.rows())) == reference(events)
    assert len(found) + len(others) == len(events)


def strings_of(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.cast({pl.Enum: pl.String})


def test_certainly_older_events_are_dropped_before_the_shuffle() -> None:
    rows = [
        {"user_id": "u", "track_id": "t1", "played_at": AS_OF - (1 + n) * DAY, "ms_played": 1, "action": "play"}
        for n in range(50)
    ]
    checked = clean_events(
        EVENT_ROWS.frame(rows),
        as_of=AS_OF,
        min_played_at=MIN_PLAYED_AT,
        track_codes=CODES,
        max_user_events=MAX_USER_EVENTS,
    )
    assert keep_plays(checked)["played_at"].to_list() == [row["played_at"] for row in rows[:MAX_USER_EVENTS]]
