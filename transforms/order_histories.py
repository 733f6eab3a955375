"""Bring a bucket's plays in order and find the events that were delivered twice."""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.buckets import MapBuckets, Opened
from transforms.schemas import ACTIONS, HISTORIES, PLAYS, REJECTED

ORDER = ["user_id", "played_at", "track", "action", "ms_played", "known_at"]


@dataclass(eq=False)
class OrderHistories(beam.PTransform):
    """order_histories() on every bucket: `.expand` returns (plays, rejected)."""

    track_codes: Opened

    def expand(self, plays: beam.PCollection) -> Any:
        """Mark the rows, then split."""
        marked = plays | MapBuckets(order_histories, out=HISTORIES)
        kept = marked | MapBuckets(keep_first, out=PLAYS)
        return kept, marked | MapBuckets(keep_duplicates, out=REJECTED, track_codes=self.track_codes)


def order_histories(plays: pl.DataFrame) -> pl.DataFrame:
    """PLAYS of whole users in any order -> HISTORIES, by user and time, with duplicates marked.

    A user has rows with tracks, or one row without; the order of the rows read makes no difference. What the user table
    says of a user stands in all rows.
    """
    ordered = plays.sort(ORDER, nulls_last=True).with_columns(pl.col("market").max().over("user_id"))
    # two deliveries of one event may have arrived at different times: the first is the event
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in ORDER if name != "known_at")
    marked = ordered.with_columns(is_duplicate=same)
    is_placeholder = pl.col("track").is_null() & (pl.col("track").count().over("user_id") > 0)
    repeated = pl.col("track").is_null() & pl.col("is_duplicate")
    return marked.filter(~is_placeholder & ~repeated)


def keep_first(histories: pl.DataFrame) -> pl.DataFrame:
    """HISTORIES -> PLAYS: every event once."""
    return histories.filter(~pl.col("is_duplicate")).select(PLAYS.names)


def keep_duplicates(histories: pl.DataFrame, *, track_codes: pl.DataFrame) -> pl.DataFrame:
    """HISTORIES -> REJECTED: the further deliveries."""
    actions = pl.Series(ACTIONS, dtype=pl.String)
    doubles = histories.filter(pl.col("is_duplicate"))
    return doubles.select(
        pl.col("user_id").cast(pl.String),
        track_codes["track_id"].gather(doubles["track"]),
        "played_at",
        "ms_played",
        actions.gather(doubles["action"]).alias("action"),
        reason=pl.lit("exact_duplicate"),
    )
