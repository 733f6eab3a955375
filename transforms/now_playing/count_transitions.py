"""Count which track follows which in sessions: directed, at most five listens apart, in whole numbers."""

from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import polars as pl

from transforms.events.listening import SESSION_GAP_MINUTES, is_listened
from transforms.now_playing.successor_tables import LISTEN_UNIT, MAX_DISTANCE, TRANSITIONS
from transforms.tables.buckets import GroupByBucket, MapBuckets


@dataclass(eq=False)
class CountTransitions(beam.PTransform):
    """count_transitions() on every bucket of users, brought together in buckets of tracks."""

    as_of: datetime
    num_buckets: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Count in every bucket, then shuffle the counts by their earlier track."""
        counts = plays | MapBuckets(count_transitions, out=TRANSITIONS, as_of=self.as_of)
        return counts | GroupByBucket("track", self.num_buckets)


def count_transitions(plays: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    """PLAYS of whole users, in order -> TRANSITIONS of those known before `as_of`.

    Skips are left out, and so are listens that a shuffling player chose: what came before had no part in it.
    """
    gap = pl.duration(minutes=SESSION_GAP_MINUTES)
    ends_at = pl.col("played_at") + pl.duration(milliseconds=pl.col("ms_played").fill_null(0))
    listens = plays.filter(is_listened() & (pl.col("known_at") < as_of) & pl.col("track").is_not_null()).select(
        "track",
        follows=~pl.col("is_shuffle").fill_null(False),
        session=((pl.col("user_id") != pl.col("user_id").shift()) | (pl.col("played_at") - ends_at.shift() > gap))
        .fill_null(True)
        .cum_sum(),
    )
    pairs = [
        listens.select(
            track=pl.col("track").shift(distance),
            other="track",
            is_pair=(pl.col("session") == pl.col("session").shift(distance)) & pl.col("follows"),
            count=pl.lit(LISTEN_UNIT // distance, pl.Int64),
        ).filter("is_pair", pl.col("track") != pl.col("other"))
        for distance in range(1, MAX_DISTANCE + 1)
    ]
    own = listens.select("track", other="track", is_pair=pl.lit(True), count=pl.lit(1, pl.Int64))
    return pl.concat([own, *pairs]).group_by("track", "other").agg(pl.col("count").sum())
