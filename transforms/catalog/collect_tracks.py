"""Collect all tracks of a run, give each its code, and fill what the track table leaves open."""

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

# Characters of a title: it stands in sentences, which stand on many pages.
_MAX_NAME_LENGTH = 300


@dataclass(eq=False)
class CollectTracks(beam.PTransform):
    """collect_tracks() over all tables of READ_TRACKS, on one worker; yields the artifact's path."""

    folder: str

    def expand(self, tracks: beam.PCollection) -> beam.PCollection:
        """Distinct tracks, then the artifact."""
        distinct = tracks | CombineBuckets(distinct_tracks, distinct_tracks, out=READ_TRACKS)
        return tracks.pipeline | BuildArtifact(write_tracks, folder=self.folder, tracks=distinct)


def distinct_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """Keep one row per track id: of several the least, so that the order of the rows makes no difference."""
    usable = tracks.filter(pl.col("track_id").is_not_null() & (pl.col("track_id") != ""))
    others = [name for name in READ_TRACKS.names if name not in ("track_id", "genres", "markets", "vector")]
    # a list has no order in Polars: its text has one, and numbers nearly always differ in the first or in their sum
    texts = {f"_{name}": pl.col(name).list.join("\x1f", ignore_nulls=True) for name in ("genres", "markets")}
    keys = {**texts, "_first": pl.col("vector").list.first(), "_sum": pl.col("vector").list.sum()}
    ordered = usable.with_columns(**keys).sort("track_id", *others, *keys, nulls_last=True)
    return ordered.unique("track_id", keep="first", maintain_order=True).drop(list(keys))


def tracks_of_events(checked: pl.DataFrame) -> pl.DataFrame:
    """CHECKED -> READ_TRACKS: where there is no track table, the tracks are those of the events that count."""
    ids = checked.filter(pl.col("reason").is_null()).select(pl.col("track_id").unique().cast(pl.String))
    return pl.concat([READ_TRACKS.frame(), ids], how="diagonal")


def collect_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """READ_TRACKS -> KNOWN, sorted by id; codes of artists and genres count their sorted ids."""
    filled = distinct_tracks(tracks).with_columns(
        title=_readable(_or_else("title", "track_id")),
        artist_name=_readable(_or_else("artist_name", "artist_id")),
        # a name alone is still an artist
        artist_id=_or_else("artist_id", "artist_name"),
        genre_name=_readable(pl.col("genres").list.drop_nulls().list.first()),
        duration_ms=pl.when(pl.col("duration_ms") > 0).then("duration_ms"),
    )
    codes = {"artist": "artist_id", "album": "album_id", "genre": "genre_name"}
    return filled.with_columns(**{code: _code(name) for code, name in codes.items()}).select(TRACK_METADATA.names)


def _or_else(column: str, other: str) -> pl.Expr:
    blank = pl.col(column).is_null() | (pl.col(column) == "")
    return pl.when(~blank).then(column).otherwise(other)


def _readable(text: pl.Expr) -> pl.Expr:
    """What people are shown: no longer than they would read, and without control characters, which terminals obey."""
    return text.str.slice(0, _MAX_NAME_LENGTH).str.replace_all(r"[\p{Cc}\p{Zl}\p{Zp}]", " ")


def _code(column: str) -> pl.Expr:
    return (pl.col(column).rank("dense") - 1).cast(pl.Int32)


def write_tracks(directory: Path, *, tracks: tuple[int, pa.Table]) -> None:
    """Write the artifact."""
    distinct = distinct_tracks(to_frame(tracks[1]))
    known = to_frame(to_table(collect_tracks(distinct), TRACK_METADATA))
    known.write_parquet(directory / TRACKS_FILE)
    write_content_keys(directory, content_keys(distinct, known))
