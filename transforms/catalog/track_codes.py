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


@lru_cache(maxsize=4)
def open_tracks(path: str) -> pl.DataFrame:
    """Open the artifact as TRACK_METADATA; row i is the track with code i."""
    return pl.read_parquet(local_copy(path) / TRACKS_FILE)


@lru_cache(maxsize=4)
def open_track_codes(path: str) -> pl.DataFrame:
    """Open the artifact as TRACK_CODES; row i is still the track with code i."""
    return open_tracks(path).select("track_id", track="recording")
