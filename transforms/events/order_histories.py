"""Sort the plays of a bucket by user and time; reject events delivered twice and events beyond the user's limit.

Plays that overlap themselves are rejected too, see overlaps.py.
"""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.events.heavy_users import exceeds_limit, has_heavy_user
from transforms.events.overlaps import overlaps_itself
from transforms.tables.buckets import MapBuckets, OfBucket, Opened
from transforms.tables.schemas import ACTIONS, HISTORIES, PLAYS, REJECTED

_ORDER = ["user_id", "played_at", "track", "action", "ms_played", "known_at"]
_CONTROLS = ["is_manual", "is_shuffle"]


@dataclass(eq=False)
class OrderHistories(beam.PTransform):
    """Apply order_histories() to every bucket; `.expand` returns (plays, rejected).

    listed: see order_histories(); None: the plays hold these rows.
    """

    track_codes: Opened
    max_user_events: int
    listed: OfBucket | None

    def expand(self, plays: beam.PCollection) -> Any:  # Beam warns of a tuple
        """Mark the rows, then split them."""
        marked = plays | MapBuckets(
            order_histories, out=HISTORIES, max_user_events=self.max_user_events, listed=self.listed
        )
        kept = marked | MapBuckets(keep_first, out=PLAYS)
        return kept, marked | MapBuckets(keep_others, out=REJECTED, track_codes=self.track_codes)


def order_histories(plays: pl.DataFrame, *, max_user_events: int, listed: pl.DataFrame | None = None) -> pl.DataFrame:
    """Sort PLAYS of whole users by user and time, and mark duplicates, overlapping plays and events beyond the limit.

    PLAYS -> HISTORIES.

    A user has rows with tracks, or one row without. The order of the input rows makes no difference. The market of the
    user table is set in all rows of the user.

    listed: PLAYS of users, without a track, that are not among `plays`; None: there are none.
    """
    if listed is not None:
        plays = PLAYS.conform(plays, listed)
    controls = [name for name in _CONTROLS if plays[name].null_count() < len(plays)]
    ordered = plays.sort([*_ORDER, *controls], nulls_last=True).with_columns(pl.col("market").max().over("user_id"))
    # two deliveries of an event may have arrived at different times: the first is kept
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in _ORDER if name != "known_at")
    marked = ordered.with_columns(overlaps_itself(ordered).alias("is_overlapping"), is_duplicate=same)
    is_placeholder = pl.col("track").is_null() & (pl.col("track").count().over("user_id") > 0)
    repeated = pl.col("track").is_null() & pl.col("is_duplicate")
    older = exceeds_limit(max_user_events) if has_heavy_user(plays["user_id"], max_user_events) else pl.lit(False)
    return marked.filter(~is_placeholder & ~repeated).with_columns(is_older=older)


def keep_first(histories: pl.DataFrame) -> pl.DataFrame:
    """Select every event once: HISTORIES -> PLAYS."""
    return histories.filter(~_is_rejected()).select(PLAYS.names)


def _is_rejected() -> pl.Expr:
    return pl.col("is_duplicate") | pl.col("is_older") | pl.col("is_overlapping")


def keep_others(histories: pl.DataFrame, *, track_codes: pl.DataFrame) -> pl.DataFrame:
    """Select duplicates, overlapping plays and events beyond the limit: HISTORIES -> REJECTED."""
    actions = pl.Series(ACTIONS, dtype=pl.String)
    others = histories.filter(_is_rejected())
    reason = (
        pl.when("is_older")
        .then(pl.lit("over_max_user_events"))
        .when("is_duplicate")
        .then(pl.lit("exact_duplicate"))
        .otherwise(pl.lit("overlapping_play"))
    )
    return others.select(
        pl.col("user_id").cast(pl.String),
        track_codes["track_id"].gather(others["track"]),
        "played_at",
        "ms_played",
        actions.gather(others["action"]).alias("action"),
        reason=reason,
    )
