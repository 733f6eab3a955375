"""Users with more than `max_user_events` events: only their newest are kept.

A user keeps the newest `max_user_events` distinct events, in the order of time, track, action and duration. Before the
shuffle each table drops events that are certainly older, so that no bucket gets an unbounded number of rows of a user;
after the shuffle the rest is dropped exactly. The result does not depend on which table held an event.
"""

import numpy as np
import polars as pl


def has_heavy_user(user_ids: pl.Series, max_user_events: int) -> bool:
    """Return whether any user has more than `max_user_events` rows; user_ids is an Enum."""
    if len(user_ids) <= max_user_events:
        return False
    codes = user_ids.to_physical().drop_nulls().to_numpy()
    return bool(np.bincount(codes).max(initial=0) > max_user_events)


def is_beyond_limit(events: pl.DataFrame, max_user_events: int) -> pl.Series:
    """Return whether each event (user_id, track, played_at) has `max_user_events` newer ones in its table."""
    # events of the same time and track may be duplicates: counted once, rather too few are dropped than too many
    distinct = events.select("user_id", "track", "played_at").unique()
    nth = pl.col("played_at").sort(descending=True).get(max_user_events - 1, null_on_oob=True)
    limits = distinct.group_by("user_id").agg(limit=nth)
    of_rows = events.select("user_id").join(limits, on="user_id", how="left", maintain_order="left")["limit"]
    return (events["played_at"] < of_rows).fill_null(False)


def exceeds_limit(max_user_events: int) -> pl.Expr:
    """Return whether each row of sorted HISTORIES has `max_user_events` distinct events of the user after it."""
    is_event = pl.col("track").is_not_null() & ~pl.col("is_duplicate")
    nth_newest = is_event.cast(pl.Int32).cum_sum(reverse=True).over("user_id") + pl.col("is_duplicate").cast(pl.Int32)
    return nth_newest > max_user_events
