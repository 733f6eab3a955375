"""Encode the lists of other systems like our own, and refuse lists of tracks that were unknown at the cutoff."""

from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import polars as pl

from transforms.evaluation.schemas import EVALUATION_ROWS, LISTS
from transforms.tables.buckets import GroupByBucket, MapBuckets, Opened
from transforms.tables.columns import Column, Schema, fill_columns
from transforms.tables.failures import RunFailedError
from transforms.tables.groups import rank_in_group
from transforms.tables.schemas import NAME, USER_ID

LIST_ROWS = Schema(
    "list_rows",
    (
        Column("user_id", USER_ID, "as read"),
        Column("track_id", NAME, "as read"),
        LISTS["rank"],
        LISTS["cutoff_at"],
    ),
)


class UnknownTracksError(RunFailedError):
    """A list holds tracks that are not in the catalog as of the cutoff: it was made with later data."""


@dataclass(eq=False)
class EncodeLists(beam.PTransform):
    """Apply encode_lists() to every table of LIST_ROWS, then renumber_ranks() to every user's whole list."""

    system: str
    cutoff_at: datetime
    known_tracks: Opened
    num_buckets: int

    def expand(self, lists: beam.PCollection) -> beam.PCollection:
        """Encode the rows, group them by user, renumber their ranks."""
        coded = lists | MapBuckets(
            encode_lists,
            out=EVALUATION_ROWS,
            system=self.system,
            cutoff_at=self.cutoff_at,
            known_tracks=self.known_tracks,
        )
        return coded | GroupByBucket("user_id", self.num_buckets) | MapBuckets(renumber_ranks, out=EVALUATION_ROWS)


def encode_lists(lists: pl.DataFrame, *, system: str, cutoff_at: datetime, known_tracks: pl.DataFrame) -> pl.DataFrame:
    """LIST_ROWS -> EVALUATION_ROWS of one cutoff; `known_tracks` has track_id, track (code) and release_date.

    Raises:
        UnknownTracksError: a track is not in the catalog, or is released after the day of the cutoff.
    """
    of_cutoff = lists.filter(pl.col("cutoff_at").is_null() | (pl.col("cutoff_at") == cutoff_at))
    coded = of_cutoff.with_columns(pl.col("track_id").cast(pl.String)).join(
        known_tracks, on="track_id", how="left", maintain_order="left"
    )
    _check_tracks(coded, system, cutoff_at)
    rows = coded.select("user_id", "track", "rank", system=pl.lit(system, dtype=pl.Enum([system])))
    return fill_columns(rows, EVALUATION_ROWS)


def renumber_ranks(lists: pl.DataFrame) -> pl.DataFrame:
    """EVALUATION_ROWS of whole users -> the same with ranks from 0 without gaps, and each track once, at its best."""
    ordered = lists.sort("user_id", "rank", "track").unique(["user_id", "track"], keep="first", maintain_order=True)
    return ordered.with_columns(rank=rank_in_group("user_id"))


def _check_tracks(coded: pl.DataFrame, system: str, cutoff_at: datetime) -> None:
    """Check that every track was known at the cutoff (UnknownTracksError: with number and example of the others)."""
    is_later = (pl.col("release_date") > cutoff_at.date()).fill_null(False)
    unknown = coded.filter(pl.col("track").is_null() | is_later)
    if len(unknown):
        raise UnknownTracksError(
            f"list {system!r}: {unknown['track_id'].n_unique():,} tracks, such as {unknown['track_id'][0]!r}, were"
            f" not known on {cutoff_at:%Y-%m-%d %H:%M}: it was made with later data"
        )
