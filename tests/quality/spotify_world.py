"""Made-up listeners over real tracks: the sample world's people, with Spotify's titles, artists, genres and dates."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from pipelines.sample_world.catalog import (
    GENRES,
    SCENES_PER_GENRE,
    VECTOR_LENGTH,
    SampleCatalog,
    numbered_ids,
    to_unit_length,
)
from pipelines.sample_world.world import make_block
from transforms.tables.columns import to_table
from transforms.tables.schemas import TRACKS

# The day after the newest release of the catalogue.
ENDS_AT = datetime(2023, 6, 13, tzinfo=timezone.utc)
DAYS = 60
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def real_tracks(folder: Path) -> pl.DataFrame:
    """Return the catalogue as TRACKS, by artist and release; a release known to the year is dated to its first day."""
    genres = pl.read_parquet(folder / "artist_genres.parquet").select("artist_name", "genres")
    date = pl.col("release_date") + pl.when(pl.col("release_date").str.len_chars() == 4).then(pl.lit("-01")).otherwise(
        pl.lit("")
    )
    day = date + pl.when(date.str.len_chars() == 7).then(pl.lit("-01")).otherwise(pl.lit(""))
    tracks = pl.read_parquet(folder / "tracks.parquet").select(
        "title",
        "explicit",
        "duration_ms",
        track_id="spotify_track_id",
        artist_id=pl.col("artist_names").list.first(),
        artist_name=pl.col("artist_names").list.first(),
        release_date=day.str.to_date(),
    )
    joined = tracks.join(genres, on="artist_name", how="left").sort("artist_id", "release_date", "track_id")
    return pl.concat([TRACKS.frame(), joined], how="diagonal")


def write_spotify_world(folder: Path, output: Path, *, num_users: int, seed: int) -> None:
    """Write events and tracks below `output`."""
    tracks = real_tracks(folder)
    rng = np.random.default_rng(seed)
    catalog = catalog_of(tracks, rng)
    end = (ENDS_AT - EPOCH) // timedelta(milliseconds=1)
    users = numbered_ids("user", np.arange(num_users))
    tables = make_block([seed, 1], catalog, users, end - DAYS * 86_400_000, end)
    for name, table in {"events": tables["events"], "tracks": to_table(tracks, TRACKS)}.items():
        (output / name).mkdir(parents=True)
        pq.write_table(table, output / name / "part-00000.parquet")


def catalog_of(tracks: pl.DataFrame, rng: np.random.Generator) -> SampleCatalog:
    """Place the real artists near the genre they have (of the most frequent ones), the tracks near their artists."""
    artist = (tracks["artist_id"].rank("dense") - 1).to_numpy().astype(np.int32)
    num_artists = int(artist[-1]) + 1
    main = tracks.unique("artist_id", keep="first", maintain_order=True)["genres"].list.first()
    known = main.value_counts(sort=True).drop_nulls().head(len(GENRES)).with_row_index("genre")
    found = main.to_frame().join(known, on="genres", how="left", maintain_order="left")["genre"].to_numpy()
    genre = np.where(np.isnan(found.astype(float)), rng.integers(len(GENRES), size=num_artists), found).astype(int)
    genre_vector = to_unit_length(rng.standard_normal((len(GENRES), VECTOR_LENGTH)))
    scenes = to_unit_length(
        genre_vector[:, None] + 0.2 * rng.standard_normal((len(GENRES), SCENES_PER_GENRE, VECTOR_LENGTH))
    )
    near = scenes[genre, rng.integers(SCENES_PER_GENRE, size=num_artists)]
    artist_vector = to_unit_length(near + 0.1 * rng.standard_normal(near.shape))
    count = np.bincount(artist).astype(float)
    return SampleCatalog(
        genre_vector=genre_vector,
        scene_vector=scenes,
        artist_vector=artist_vector,
        artist_genre=genre,
        artist_popularity=count / count.sum(),
        artist=artist,
        first_track=np.searchsorted(artist, np.arange(num_artists + 1)),
        release_day=tracks["release_date"].to_physical().to_numpy().astype(np.int64),
        duration_ms=tracks["duration_ms"].fill_null(200_000).to_numpy(),
        popularity=rng.standard_normal(len(tracks)).astype(np.float32),
        vector=to_unit_length(artist_vector[artist] + 0.12 * rng.standard_normal((len(tracks), VECTOR_LENGTH))),
        track_id=tracks["track_id"].to_arrow().cast("string"),
        artist_id=tracks["artist_id"].unique(maintain_order=True).to_arrow().cast("string"),
    )
