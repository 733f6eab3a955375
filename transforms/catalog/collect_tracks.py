"""Collect all tracks of a run, assign their codes, and fill missing titles, names and genres."""

from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.catalog.names import name_key, one_form, readable
from transforms.catalog.recordings import recordings
from transforms.catalog.track_codes import READ_TRACKS, TRACK_METADATA, TRACKS_FILE, order_tracks
from transforms.catalog.track_content import content_keys, write_content_keys
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import CombineBuckets
from transforms.tables.columns import to_frame, to_table
from transforms.tables.counts import counts_frame


@dataclass(eq=False)
class CollectTracks(beam.PTransform):
    """Apply collect_tracks() to all tables of READ_TRACKS, on one worker; yields the path of the artifact."""

    folder: str
    match_names: bool

    def expand(self, tracks: beam.PCollection) -> beam.PCollection:
        """Combine the tables to distinct tracks, then write the artifact."""
        distinct = tracks | CombineBuckets(distinct_tracks, distinct_tracks, out=READ_TRACKS)
        return tracks.pipeline | BuildArtifact(
            write_tracks, folder=self.folder, tracks=distinct, match_names=self.match_names
        )


def distinct_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """Keep one row per track_id: the first in sort order, so that the order of the input rows makes no difference."""
    usable = tracks.filter(pl.col("track_id").is_not_null() & (pl.col("track_id") != ""))
    return order_tracks(usable).unique("track_id", keep="first", maintain_order=True)


def count_cleared_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """READ_TRACKS -> COUNTS of tracks/cleared/COLUMN: values that cannot be, of rows with an id."""
    known = tracks.filter(pl.col("track_id").fill_null("") != "")
    is_finite = pl.col("vector").list.eval(pl.element().is_finite().fill_null(False)).list.all()
    counts = known.select((pl.col("duration_ms") <= 0).sum(), (~is_finite).sum().alias("vector"))
    return counts_frame({f"tracks/cleared/{name}": n for name, n in counts.row(0, named=True).items() if n})


def tracks_of_events(checked: pl.DataFrame) -> pl.DataFrame:
    """Derive the tracks from the kept events, for runs without a track table: CHECKED -> READ_TRACKS."""
    ids = checked.filter(pl.col("reason").is_null()).select(pl.col("track_id").unique().cast(pl.String))
    return pl.concat([READ_TRACKS.frame(), ids], how="diagonal")


def collect_tracks(tracks: pl.DataFrame, *, match_names: bool) -> pl.DataFrame:
    """Fill missing values, and encode artists, albums and genres: READ_TRACKS -> TRACK_METADATA, sorted by id.

    A code is the index of an id among the sorted ids of its kind. match_names: see recordings().
    """
    distinct = distinct_tracks(tracks)
    filled = distinct.with_columns(
        title=pl.coalesce(readable(pl.col("title")), readable(pl.col("track_id")), "track_id"),
        artist_name=pl.coalesce(readable(pl.col("artist_name")), readable(pl.col("artist_id"))),
        # an artist with a name but no id keeps the name as id
        artist_id=pl.coalesce(_if_named("artist_id"), _if_named("artist_name")),
        album_id=_if_named("album_id"),
        album_title=readable(pl.col("album_title")),
        genre_name=first_genre(pl.col("genres")),
        duration_ms=pl.when(pl.col("duration_ms") > 0).then("duration_ms"),
        markets=pl.col("markets").list.drop_nulls(),
    )
    named = filled.with_columns(genre_name=_usual_spelling("genre_name", filled))
    codes = {"artist": "artist_id", "album": "album_id", "genre": "genre_name"}
    coded = named.with_columns(**{code: _code(name) for code, name in codes.items()})
    return coded.with_columns(recordings(distinct, coded, match_names=match_names)).select(TRACK_METADATA.names)


def first_genre(genres: pl.Expr) -> pl.Expr:
    """Return the first genre of each list that has a name, in one form."""
    named = genres.list.eval(one_form(readable(pl.element())).drop_nulls())
    return named.list.first()


def _if_named(column: str) -> pl.Expr:
    """Return the values that are not blank."""
    return pl.when(readable(pl.col(column)).is_not_null()).then(column)


def _usual_spelling(column: str, tracks: pl.DataFrame) -> pl.Series:
    """Return the names with the case in which most tracks have the name, of equally frequent ones the last in order."""
    names = tracks.select(name=column, key=name_key(pl.col(column)))
    counted = names.group_by("key", "name").len().sort("len", "name", descending=True)
    usual = counted.unique("key", keep="first", maintain_order=True).select("key", usual="name")
    return names.join(usual, on="key", how="left", maintain_order="left")["usual"]


def _code(column: str) -> pl.Expr:
    return (pl.col(column).rank("dense") - 1).cast(pl.Int32)


def write_tracks(directory: Path, *, tracks: tuple[int, pa.Table], match_names: bool) -> None:
    """Write the artifact: metadata and content keys of the distinct tracks."""
    distinct = distinct_tracks(to_frame(tracks[1]))
    metadata = to_frame(to_table(collect_tracks(distinct, match_names=match_names), TRACK_METADATA))
    metadata.write_parquet(directory / TRACKS_FILE)
    write_content_keys(directory, content_keys(distinct, metadata))
