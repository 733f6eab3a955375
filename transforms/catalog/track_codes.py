"""The Tracks artifact: metadata and codes of all tracks of a run."""

from functools import lru_cache

import polars as pl

from transforms.tables.artifacts import local_copy
from transforms.tables.columns import Schema
from transforms.tables.schemas import CATALOG, TRACKS

TRACKS_FILE = "tracks.parquet"
# The columns of CATALOG that do not depend on plays, and the columns of TRACKS that they are made from.
TRACK_METADATA = Schema("known_tracks", CATALOG.columns[: CATALOG.names.index("n_plays")])
READ_TRACKS = Schema(
    "read_tracks",
    tuple(
        TRACKS[name]
        for name in (
            "track_id",
            "title",
            "artist_id",
            "artist_name",
            "album_id",
            "album_title",
            "disc_number",
            "track_number",
            "release_date",
            "duration_ms",
            "genres",
            "explicit",
            "markets",
            "vector",
            "recording_id",
        )
    ),
)


def order_tracks(tracks: pl.DataFrame) -> pl.DataFrame:
    """Sort READ_TRACKS by id, then by all other columns; `vector` may be absent."""
    lists = [name for name in ("genres", "markets", "vector") if name in tracks.columns]
    others = [name for name in tracks.columns if name not in ("track_id", *lists)]
    # Polars cannot sort lists: texts are joined, and vectors nearly always differ in their first value or their sum
    keys = {f"_{name}": pl.col(name).list.join("\x1f", ignore_nulls=True) for name in ("genres", "markets")}
    if "vector" in lists:
        keys |= {"_first": pl.col("vector").list.first(), "_sum": pl.col("vector").list.sum()}
    return tracks.with_columns(**keys).sort("track_id", *others, *keys, nulls_last=True).drop(list(keys))


@lru_cache(maxsize=4)
def open_tracks(path: str) -> pl.DataFrame:
    """Open the artifact as TRACK_METADATA; row i is the track with code i."""
    return pl.read_parquet(local_copy(path) / TRACKS_FILE)


@lru_cache(maxsize=4)
def open_track_codes(path: str) -> pl.DataFrame:
    """Open the artifact as TRACK_CODES; row i is still the track with code i."""
    return open_tracks(path).select("track_id", track="recording")


def with_track_ids(candidates: pl.DataFrame, track_codes: pl.DataFrame) -> pl.DataFrame:
    """Return candidates with track_id and seed_track_id, which are valid outside the run, for their codes."""
    ids = track_codes["track_id"]
    return candidates.with_columns(
        ids.gather(candidates["track"]).alias("track_id"),
        ids.gather(candidates["seed_track"]).alias("seed_track_id"),
    )
