"""Users with more events than count: which of theirs are the newest.

A user's events are kept up to the newest so many different ones, in the order of time, track, action and length. Before
the shuffle each table says what is certainly older, so that nothing unbounded is brought together; behind it the rest
is said exactly. What is said does not depend on which table held an event.
"""

import numpy as np
import polars as pl


def has_heavy_user(user_ids: pl.Series, max_user_events: int) -> bool:
    """Whether any user has more rows than count; the column is an Enum."""
    if len(user_ids) <= max_user_events:
        return False
    codes = user_ids.to_physical().drop_nulls().to_numpy()
    return bool(np.bincount(codes).max(initial=0) > max_user_events)


def is_beyond_limit(events: pl.DataFrame, max_user_events: int) -> pl.Series:
    """Events of any order that count (user_id, track, played_at) -> those that have so many newer ones in the table."""
    # events of one time and track may be the same one twice: counted once, they are too few rather than too many
    distinct = events.select("user_id", "track", "played_at").unique()
    nth = pl.col("played_at").sort(descending=True).get(max_user_events - 1, null_on_oob=True)
    limits = distinct.group_by("user_id").agg(limit=nth)
    of_rows = events.select("user_id").join(limits, on="user_id", how="left", maintain_order="left")["limit"]
    return (events["played_at"] < of_rows).fill_null(False)


def exceeds_limit(max_user_events: int) -> pl.Expr:
    """HISTORIES in order, with is_duplicate: whether a user has so many different events after the row's."""
    is_event = pl.col("track").is_not_null() & ~pl.col("is_duplicate")
    place = is_event.cast(pl.Int32).cum_sum(reverse=True).over("user_id") + pl.col("is_duplicate").cast(pl.Int32)
    return place > max_user_events
