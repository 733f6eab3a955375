"""Small worlds, made by hand or at random, without Beam."""

from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.towers.contract import Sequences, TowerOptions, TrackContent, TrainedTowers
from models.towers.spectral import factorize
from models.towers.weights import initial_weights
from transforms.candidates.blending import PRIOR_BLEND
from transforms.candidates.match_new_tracks import match_new_tracks
from transforms.catalog.build_catalog import add_statistics, count_tracks, sum_track_counts
from transforms.catalog.catalog import Catalog, open_catalog, write_catalog
from transforms.catalog.co_listening import keep_first_listens
from transforms.catalog.collect_tracks import collect_tracks, distinct_tracks
from transforms.catalog.count_markets import count_markets, sum_markets
from transforms.catalog.neighbours import find_neighbours
from transforms.catalog.track_codes import READ_TRACKS
from transforms.catalog.track_content import content_keys
from transforms.embeddings.embeddings import open_embeddings
from transforms.embeddings.sample_sequences import sample_sequences
from transforms.embeddings.sequences import SEQUENCES
from transforms.embeddings.train_towers import train_towers
from transforms.events.order_histories import keep_first, order_histories
from transforms.tables.columns import to_table
from transforms.tables.schemas import PLAYS

AS_OF = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
# more events of a user than any of these worlds has
MAX_USER_EVENTS = 100_000
MIN_PLAYED_AT = datetime(1999, 1, 1, tzinfo=timezone.utc)


def plays_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Build PLAYS in order from rows of user_id, track, days (before AS_OF) and further columns of PLAYS."""
    defaults = {"ms_played": 200_000, "action": 0}
    full = []
    for row in rows:
        played_at = AS_OF - row["days"] * DAY if row.get("days") is not None else None
        full.append(
            {**defaults, "played_at": played_at, "known_at": played_at, **{k: v for k, v in row.items() if k != "days"}}
        )
    return keep_first(order_histories(PLAYS.frame(full), max_user_events=MAX_USER_EVENTS))


def random_plays(seed: int, *, num_users: int = 30, num_tracks: int = 40, num_plays: int = 1500) -> pl.DataFrame:
    """Draw sessions of plays, with unknown durations, skips, other actions and late events among them."""
    rng = np.random.default_rng(seed)
    user = np.sort(rng.integers(num_users, size=num_plays))
    gap = np.where(rng.random(num_plays) < 0.15, rng.integers(1, 90_000, num_plays), rng.integers(1, 400, num_plays))
    seconds = np.cumsum(gap) % (60 * 86_400)
    played_at = pl.Series([AS_OF - 60 * DAY]).dt.cast_time_unit("us").gather(
        np.zeros(num_plays, dtype=int)
    ) + pl.Series(seconds * 1_000_000).cast(pl.Duration("us"))
    late = pl.Series(np.where(rng.random(num_plays) < 0.1, rng.integers(0, 10 * 86_400, num_plays), 0) * 1_000_000)
    frame = pl.DataFrame(
        {
            "user_id": [f"ü{number:03d}" for number in user],
            "track": rng.zipf(1.5, num_plays) % num_tracks,
            "played_at": played_at,
            "known_at": played_at + late.cast(pl.Duration("us")),
            "ms_played": pl.Series(rng.integers(0, 300_000, num_plays)).set(
                pl.Series(rng.random(num_plays) < 0.1), None
            ),
            "action": rng.choice(5, num_plays, p=[0.9, 0.03, 0.03, 0.02, 0.02]),
            "market": pl.Series([5], dtype=pl.Int16).gather(np.zeros(num_plays, dtype=int)),
        }
    )
    ids = pl.Enum(frame["user_id"].unique().sort())
    plays = frame.with_columns(
        pl.col("user_id").cast(ids), pl.col("track", "ms_played").cast(pl.Int32), pl.col("action").cast(pl.Int8)
    )
    return keep_first(order_histories(PLAYS.conform(plays), max_user_events=MAX_USER_EVENTS))


def tracks_of(num_tracks: int, *, num_artists: int = 7) -> pl.DataFrame:
    """Build READ_TRACKS: every second track has a genre, every fifth no artist, the last three are new."""
    rows: list[dict[str, object]] = [
        {
            "track_id": f"t{number:04d}",
            "title": f"Title {number}",
            "artist_id": None if number % 5 == 4 else f"a{number % num_artists}",
            "artist_name": None if number % 5 == 4 else f"Artist {number % num_artists}",
            "release_date": date(2025, 12, 20) if number >= num_tracks - 3 else date(2020, 1, 1),
            "duration_ms": 200_000,
            "genres": ["pop", "rock"] if number % 2 else None,
        }
        for number in range(num_tracks)
    ]
    return READ_TRACKS.frame(rows)


def catalog_of(
    plays: pl.DataFrame, tracks: pl.DataFrame, directory: Path, *, as_of: datetime = AS_OF, num_neighbours: int = 5
) -> Catalog:
    """Build the catalog as of a moment, as the stages do."""
    counts = sum_track_counts(count_tracks(plays, as_of=as_of, half_life_days=14.0))
    listens = keep_first_listens(plays, moments=[as_of])
    near = find_neighbours(listens, moment=0, track_counts=counts, num_neighbours=num_neighbours)
    directory.mkdir(parents=True, exist_ok=True)
    markets = sum_markets(count_markets(plays, as_of=as_of, half_life_days=14.0))
    write_catalog(
        directory, add_statistics(collect_tracks(tracks, match_names=True), counts), near, markets, num_neighbours
    )
    return open_catalog(str(directory))


def spectral_towers(
    sequences: Sequences,
    content: TrackContent,
    neighbours: Any,
    similarities: Any,
    warm_start: object,
    on_epoch: object,
) -> TrainedTowers:
    """Return the towers as they are before training: a FitTowers without TensorFlow."""
    options = TowerOptions(8, 1, 1, 32, 0.1, 0.2, 0.5, 0.1, 4, 8, 1)
    vectors = factorize(neighbours, similarities, options.size, 1)
    weights = initial_weights(content, vectors, options)
    length = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return TrainedTowers(weights, {}, (vectors / length).astype(np.float32), vectors)


def snapshot_inputs(
    plays: pl.DataFrame, catalog: Catalog, directory: Path, *, as_of: datetime = AS_OF, floor: int = 2
) -> dict[str, Any]:
    """Build the inputs of candidates_at() apart from the plays as the stages do, with the prior blend."""
    drawn = sample_sequences(plays, as_of=as_of, share=1.0, seed=1)
    tracks = pl.concat([READ_TRACKS.frame(), catalog.tracks.select("track_id", "title")], how="diagonal")
    keys = content_keys(distinct_tracks(tracks), catalog.tracks)
    folder = directory / f"embeddings-{as_of:%Y%m%d}"
    folder.mkdir(parents=True, exist_ok=True)
    train_towers(
        folder,
        sequences=[(0, to_table(drawn, SEQUENCES))],
        catalog=catalog,
        keys=keys,
        warm_start_path="",
        as_of=as_of,
        fit=spectral_towers,
    )
    opened: dict[str, Any] = {"catalog": catalog, "embeddings": open_embeddings(str(folder))}
    new_tracks = match_new_tracks(plays, **opened, as_of=as_of, floor=floor)
    return {
        **opened,
        "new_tracks": new_tracks,
        "as_of": as_of,
        "carry_over": None,
        "blend": PRIOR_BLEND,
        "max_candidates": 500,
    }


def by_bucket(frame: pl.DataFrame, num_buckets: int) -> list[pl.DataFrame]:
    """Divide whole users among buckets, each with an Enum of its own users, as after the shuffle."""
    user = frame["user_id"].to_physical() % num_buckets
    parts = []
    for bucket in range(num_buckets):
        part = frame.filter(user == bucket)
        ids = part["user_id"].cast(pl.String)
        parts.append(part.with_columns(ids.cast(pl.Enum(ids.unique().sort()))))
    return parts
