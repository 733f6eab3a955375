"""Find the rows of the track table that do not count: without an id, or with an id that another row has."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.catalog.track_codes import READ_TRACKS, order_tracks
from transforms.tables.buckets import GroupByBucket, MapBuckets
from transforms.tables.columns import Column, Schema
from transforms.tables.rejects import first_reason, is_blank

TRACK_REASONS = ("missing_track", "repeated_track")
# Vectors would be most of what is shuffled, and rows that differ only there are the same in REJECTED_TRACKS.
_ROWS = Schema("track_rows", tuple(column for column in READ_TRACKS.columns if column.name != "vector"))
_PUBLISHED = ("track_id", "title", "artist_id", "artist_name", "album_id", "release_date", "duration_ms")
REJECTED_TRACKS = Schema(
    "rejected_tracks",
    (
        *(Column(name, READ_TRACKS[name].type, "as read", READ_TRACKS[name].unit) for name in _PUBLISHED),
        Column("reason", pa.string(), f"reason of rejection, one of {', '.join(TRACK_REASONS)}"),
    ),
)


@dataclass(eq=False)
class RejectTracks(beam.PTransform):
    """Apply reject_tracks() to all rows of a track at once."""

    num_buckets: int

    def expand(self, tracks: beam.PCollection) -> beam.PCollection:
        """Bring the rows of each id together."""
        grouped = tracks | MapBuckets(drop_vectors, out=_ROWS) | GroupByBucket("track_id", self.num_buckets)
        return grouped | MapBuckets(reject_tracks, out=REJECTED_TRACKS)


def drop_vectors(tracks: pl.DataFrame) -> pl.DataFrame:
    """Select the columns that tell rows apart: READ_TRACKS -> the same without `vector`."""
    return tracks.select(_ROWS.names)


def reject_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """Select the rows without an id, and all but the first of those with one id: READ_TRACKS -> REJECTED_TRACKS.

    collect_tracks() keeps that first row.
    """
    ordered = order_tracks(tracks)
    is_repeated = pl.col("track_id") == pl.col("track_id").shift(1)
    reason = first_reason({"missing_track": is_blank("track_id"), "repeated_track": is_repeated})
    return ordered.with_columns(reason=reason).drop_nulls("reason").select(REJECTED_TRACKS.names)
