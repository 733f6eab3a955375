"""Count the most popular tracks of each market, exactly, for any number of tracks."""

from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import polars as pl

from transforms.catalog.markets import TRACKS_PER_MARKET, decayed_play
from transforms.events.listening import is_listened
from transforms.tables.buckets import CombineBuckets, GroupByBucket, MapBuckets
from transforms.tables.groups import top_k_of_groups
from transforms.tables.schemas import MARKET_COUNTS


@dataclass(eq=False)
class CountMarkets(beam.PTransform):
    """Count the most popular tracks of each market as of a moment: PLAYS -> one MARKET_COUNTS."""

    as_of: datetime
    half_life_days: float
    num_buckets: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Count in user buckets, sum in track buckets, and keep the most popular tracks of each market."""
        counts = plays | MapBuckets(
            count_markets, out=MARKET_COUNTS, as_of=self.as_of, half_life_days=self.half_life_days
        )
        grouped = counts | GroupByBucket("track", self.num_buckets)
        return grouped | CombineBuckets(sum_markets, top_k_of_markets, out=MARKET_COUNTS)


def count_markets(plays: pl.DataFrame, *, as_of: datetime, half_life_days: float) -> pl.DataFrame:
    """Sum the popularity of tracks in markets, from plays known before `as_of`: PLAYS of a bucket -> MARKET_COUNTS."""
    known = plays.filter(is_listened() & (pl.col("known_at") < as_of) & pl.col("market").is_not_null())
    weight = decayed_play(as_of, half_life_days)
    return known.group_by("market", "track").agg(popularity=weight.sum()).sort("market", "track")


def sum_markets(counts: pl.DataFrame) -> pl.DataFrame:
    """Sum MARKET_COUNTS of whole tracks, and keep the most popular tracks of each market."""
    return top_k_of_markets(counts.group_by("market", "track").agg(pl.col("popularity").sum()))


def top_k_of_markets(counts: pl.DataFrame) -> pl.DataFrame:
    """Keep the most popular tracks of each market, ties by track; the input has one row per market and track."""
    return top_k_of_groups(counts, "market", "popularity", TRACKS_PER_MARKET, tie="track")
