"""Collect all tracks of a run, assign their codes, and fill missing titles, names and genres."""

from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.catalog.track_codes import READ_TRACKS, TRACK_METADATA, TRACKS_FILE
from transforms.catalog.track_content import content_keys, write_content_keys
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import CombineBuckets
from transforms.tables.columns import to_frame, to_table

# Maximal characters of a title or name, which sentences on pages contain.
_MAX_NAME_LENGTH = 300


@dataclass(eq=False)
class CollectTracks(beam.PTransform):
    """Apply collect_tracks() to all tables of READ_TRACKS, on one worker; yields the path of the artifact."""

    folder: str

    def expand(self, tracks: beam.PCollection) -> beam.PCollection:
        """Combine the tables to distinct tracks, then write the artifact."""
        distinct = tracks | CombineBuckets(distinct_tracks, distinct_tracks, out=READ_TRACKS)
        return tracks.pipeline | BuildArtifact(write_tracks, folder=self.folder, tracks=distinct)


def distinct_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """Keep one row per track_id: the first in sort order, so that the order of the input rows makes no difference."""
    usable = tracks.filter(pl.col("track_id").is_not_null() & (pl.col("track_id") != ""))
    others = [name for name in READ_TRACKS.names if name not in ("track_id", "genres", "markets", "vector")]
    # Polars cannot sort lists: texts are joined, and vectors nearly always differ in their first value or their sum
    texts = {f"_{name}": pl.col(name).list.join("\x1f", ignore_nulls=True) for name in ("genres", "markets")}
    keys = {**texts, "_first": pl.col("vector").list.first(), "_sum": pl.col("vector").list.sum()}
    ordered = usable.with_columns(**keys).sort("track_id", *others, *keys, nulls_last=True)
    return ordered.unique("track_id", keep="first", maintain_order=True).drop(list(keys))


def tracks_of_events(checked: pl.DataFrame) -> pl.DataFrame:
    """Derive the tracks from the kept events, for runs without a track table: CHECKED -> READ_TRACKS."""
    ids = checked.filter(pl.col("reason").is_null()).select(pl.col("track_id").unique().cast(pl.String))
    return pl.concat([READ_TRACKS.frame(), ids], how="diagonal")


def collect_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """Fill missing values, and encode artists, albums and genres: READ_TRACKS -> TRACK_METADATA, sorted by id.

    A code is the index of an id among the sorted ids of its kind.
    """
    filled = distinct_tracks(tracks).with_columns(
        title=_readable(_or_else("title", "track_id")),
        artist_name=_readable(_or_else("artist_name", "artist_id")),
        # an artist with a name but no id keeps the name as id
        artist_id=_or_else("artist_id", "artist_name"),
        genre_name=_readable(pl.col("genres").list.drop_nulls().list.first()),
        duration_ms=pl.when(pl.col("duration_ms") > 0).then("duration_ms"),
        markets=pl.col("markets").list.drop_nulls(),
    )
    codes = {"artist": "artist_id", "album": "album_id", "genre": "genre_name"}
    return filled.with_columns(**{code: _code(name) for code, name in codes.items()}).select(TRACK_METADATA.names)


def _or_else(column: str, other: str) -> pl.Expr:
    blank = pl.col(column).is_null() | (pl.col(column) == "")
    return pl.when(~blank).then(column).otherwise(other)


def _readable(text: pl.Expr) -> pl.Expr:
    """Truncate a text for display, and replace control characters, which terminals would interpret."""
    return text.str.slice(0, _MAX_NAME_LENGTH).str.replace_all(r"[\p{Cc}\p{Zl}\p{Zp}]", " ")


def _code(column: str) -> pl.Expr:
    return (pl.col(column).rank("dense") - 1).cast(pl.Int32)


def write_tracks(directory: Path, *, tracks: tuple[int, pa.Table]) -> None:
    """Write the artifact: metadata and content keys of the distinct tracks."""
    distinct = distinct_tracks(to_frame(tracks[1]))
    metadata = to_frame(to_table(collect_tracks(distinct), TRACK_METADATA))
    metadata.write_parquet(directory / TRACKS_FILE)
    write_content_keys(directory, content_keys(distinct, metadata))
