"""Split events into plays and rejected rows, each of these with a reason from a closed list."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.events.heavy_users import has_heavy_user, is_beyond_limit
from transforms.events.market_codes import market_code
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import categories
from transforms.tables.counts import counts_frame
from transforms.tables.rejects import first_reason, is_blank
from transforms.tables.schemas import ACTIONS, CHECKED, FUTURE, PLAYS, REASONS, REJECTED

# A longer play is a player left running.
_MAX_MS_PLAYED = 86_400_000


@dataclass(eq=False)
class CleanEvents(beam.PTransform):
    """Apply clean_events() to every table of events; `.expand` returns (plays, rejected)."""

    as_of: datetime
    min_played_at: datetime
    track_codes: Opened
    max_user_events: int

    def expand(self, events: beam.PCollection) -> Any:  # Beam warns of a tuple
        """Check the rows, then split them."""
        checked = events | MapBuckets(
            clean_events,
            out=CHECKED,
            as_of=self.as_of,
            min_played_at=self.min_played_at,
            track_codes=self.track_codes,
            max_user_events=self.max_user_events,
        )
        return checked | MapBuckets(keep_plays, out=PLAYS), checked | MapBuckets(keep_rejected, out=REJECTED)


def clean_events(
    events: pl.DataFrame,
    *,
    as_of: datetime,
    min_played_at: datetime,
    track_codes: pl.DataFrame | None,
    max_user_events: int | None,
) -> pl.DataFrame:
    """Add the code of the track, and a reason to rows that are rejected: EVENT_ROWS -> CHECKED.

    track_codes: track_id, track (int32); None accepts every track, where the catalog is derived from the events.
    min_played_at: clocks that are not set tell times before it, such as 1970-01-01.
    max_user_events: see heavy_users.py; None keeps the events of all users.
    """
    ids = categories(events["track_id"]).rename("track_id").to_frame()
    codes = (
        ids.with_row_index("track")
        if track_codes is None
        else ids.join(track_codes, on="track_id", how="left", maintain_order="left")
    )
    track = codes["track"].cast(pl.Int32).gather(events["track_id"].to_physical())
    action = pl.col("action").cast(pl.String)
    conditions = {
        "missing_user": is_blank("user_id"),
        "missing_track": is_blank("track_id"),
        "missing_time": pl.col("played_at").is_null(),
        "in_the_future": pl.col("played_at") >= as_of,
        "arrived_in_the_future": pl.col("arrived_at") >= as_of,
        "before_min_played_at": pl.col("played_at") < min_played_at,
        "negative_duration": pl.col("ms_played") < 0,
        "unknown_action": ~action.is_in(ACTIONS),
        "unknown_track": pl.col("track").is_null(),
    }
    checked = events.with_columns(track).with_columns(reason=first_reason(conditions).cast(pl.Enum(REASONS)))
    return checked if max_user_events is None else _without_older(checked, max_user_events)


def _without_older(checked: pl.DataFrame, max_user_events: int) -> pl.DataFrame:
    """Reject the events of heavy users that are certainly beyond the limit: CHECKED -> CHECKED."""
    if not has_heavy_user(checked["user_id"], max_user_events):
        return checked
    kept = checked.with_row_index("row").filter(pl.col("reason").is_null())
    older = kept.filter(is_beyond_limit(kept, max_user_events))["row"]
    is_older = pl.int_range(pl.len()).is_in(older.implode())
    reason = pl.lit("over_max_user_events").cast(pl.Enum(REASONS))
    return checked.with_columns(reason=pl.when(is_older).then(reason).otherwise("reason"))


def keep_plays(checked: pl.DataFrame) -> pl.DataFrame:
    """Select the kept rows, and add a row without a track for each user without one: CHECKED -> PLAYS."""
    code = {action: index for index, action in enumerate(ACTIONS)}
    action = pl.col("action").cast(pl.String).replace_strict(code, default=0, return_dtype=pl.Int8)
    is_kept = pl.col("reason").is_null()
    plays = checked.filter(is_kept).select(
        "user_id",
        "track",
        "played_at",
        pl.max_horizontal("played_at", "arrived_at").alias("known_at"),
        pl.col("ms_played").clip(0, _MAX_MS_PLAYED).cast(pl.Int32),
        action,
        market=pl.lit(None, pl.Int16),
        is_manual="is_manual",
        is_shuffle="is_shuffle",
    )
    is_user = ~is_kept & ~pl.col("reason").cast(pl.String).is_in(FUTURE) & ~is_blank("user_id")
    others = checked.filter(is_user).select(pl.col("user_id").unique(maintain_order=True))
    return pl.concat([plays, others.join(plays, on="user_id", how="anti")], how="diagonal")


def users_without_events(users: pl.DataFrame) -> pl.DataFrame:
    """Create a row without a track for each user: USER_ROWS -> PLAYS."""
    known = users.filter(~is_blank("user_id")).select("user_id", market_code(pl.col("market")))
    return pl.concat([PLAYS.frame().clear().cast({"user_id": users.schema["user_id"]}), known], how="diagonal")


def count_cleared_users(users: pl.DataFrame) -> pl.DataFrame:
    """USER_ROWS -> COUNTS of users/cleared/market: of rows with an id, those whose market is not two letters."""
    is_wrong = ~is_blank("user_id") & ~is_blank("market") & market_code(pl.col("market")).is_null()
    num_wrong = int(users.select(is_wrong.sum()).item())
    return counts_frame({"users/cleared/market": num_wrong} if num_wrong else {})


def keep_rejected(checked: pl.DataFrame) -> pl.DataFrame:
    """Select the rejected rows as they were read: CHECKED -> REJECTED.

    Values of rows beyond the user's limit are clipped and filled as in order_histories(), which rejects such rows too.
    """
    rejected = checked.filter(pl.col("reason").is_not_null()).with_columns(pl.col("action", "reason").cast(pl.String))
    is_older = pl.col("reason") == "over_max_user_events"
    as_play = {
        "ms_played": pl.col("ms_played").clip(0, _MAX_MS_PLAYED),
        "action": pl.col("action").fill_null(ACTIONS[0]),
    }
    values = {name: pl.when(is_older).then(value).otherwise(name) for name, value in as_play.items()}
    return rejected.with_columns(**values).select(REJECTED.names)
