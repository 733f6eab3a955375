"""Measure coverage: the share of the catalog that groups of each arm's users listen to.

Distinct tracks are no sum over users. So the users of an arm are divided into groups by a hash, as many users a group
in every arm, and the distinct tracks of each group are counted: the groups are the independent observations. A set of
groups is an integer, one bit a group, and sets are merged by "or", in any order.
"""

from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from transforms.events.listening import is_listened
from transforms.tables.buckets import CombineBuckets, MapBuckets, SameBucket
from transforms.tables.columns import Column, Schema
from transforms.tables.hashing import stable_hash, uniform

NUM_GROUPS = 30
LISTENED_TRACKS = Schema(
    "listened_tracks",
    (
        Column("arm", pa.int8(), "index of the arm in --arms"),
        Column("track", pa.int32(), "code of the track"),
        Column("groups", pa.int64(), "groups that listened to it since their exposure, one bit each"),
    ),
)
GROUP_COVERAGE = Schema(
    "group_coverage",
    (
        Column("arm", pa.int8(), "index of the arm in --arms"),
        Column("group", pa.int8(), "number of the group"),
        Column("n_tracks", pa.int64(), "distinct tracks that its users listened to"),
    ),
)


@dataclass(eq=False)
class MeasureCoverage(beam.PTransform):
    """Apply listened_tracks() to every bucket of ENROLLED, and count: one GROUP_COVERAGE table.

    plays: PLAYS of the same buckets. shares: planned share of each arm.
    """

    plays: beam.PCollection
    shares: tuple[float, ...]

    def expand(self, enrolled: beam.PCollection) -> beam.PCollection:
        """Merge the sets of all buckets, then count them."""
        sets = enrolled | CombineBuckets(
            listened_tracks, merge_groups, out=LISTENED_TRACKS, plays=SameBucket(self.plays), shares=self.shares
        )
        return sets | MapBuckets(count_groups, out=GROUP_COVERAGE)


def listened_tracks(enrolled: pl.DataFrame, *, plays: pl.DataFrame | None, shares: tuple[float, ...]) -> pl.DataFrame:
    """ENROLLED and PLAYS -> LISTENED_TRACKS since the exposure.

    Of larger arms only as many users count as the smallest arm has.
    """
    if plays is None:
        return LISTENED_TRACKS.frame()
    users = enrolled.drop_nulls("exposed_at").with_columns(pl.col("user_id").cast(pl.String))
    bits = stable_hash(users["user_id"], seed=NUM_GROUPS)
    kept = min(shares) / np.asarray(shares)[users["arm"].to_numpy()]
    place = uniform(bits) / kept
    group = np.minimum((place * NUM_GROUPS).astype(np.int64), NUM_GROUPS - 1)
    grouped = users.with_columns(groups=pl.Series(np.int64(1) << group)).filter(pl.Series(place < 1))
    listens = plays.filter(is_listened()).with_columns(pl.col("user_id").cast(pl.String))
    own = listens.join(grouped, on="user_id").filter(pl.col("played_at") >= pl.col("exposed_at"))
    return merge_groups(own.select(LISTENED_TRACKS.names))


def merge_groups(tracks: pl.DataFrame) -> pl.DataFrame:
    """Merge LISTENED_TRACKS of several tables."""
    return tracks.group_by("arm", "track").agg(pl.col("groups").bitwise_or()).sort("arm", "track")


def count_groups(tracks: pl.DataFrame) -> pl.DataFrame:
    """Count the tracks of each group of each arm: LISTENED_TRACKS -> GROUP_COVERAGE."""
    bits = [((pl.col("groups") // (1 << group)) % 2).sum().alias(str(group)) for group in range(NUM_GROUPS)]
    wide = tracks.group_by("arm").agg(bits)
    long = wide.unpivot(index="arm", variable_name="group", value_name="n_tracks")
    return long.cast({"group": pl.Int8, "n_tracks": pl.Int64}).sort("arm", "group")
