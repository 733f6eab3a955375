"""Facts of tracks for chances of skips: statistics before a moment, artists, and vectors of few dimensions."""

import numpy as np
import polars as pl

from transforms.now_playing.skips.skip_features import TrackFigures, smoothed_rate

# Longer vectors are projected: distances of few numbers are as good here, and memory is bounded.
_MAX_LENGTH = 32
_PROJECTION_SEED = 0


def track_facts(tracks: pl.DataFrame, counts: pl.DataFrame, vectors: np.ndarray) -> TrackFigures:
    """Return the facts of all tracks.

    tracks: TRACK_METADATA or CATALOG. counts: TRACK_COUNTS before the moment. vectors: of unit length [N, V].
    """
    num_tracks = len(tracks)
    found = {name: np.zeros(num_tracks) for name in ("n_plays", "n_timed", "n_skips")}
    for name, values in found.items():
        values[counts["track"].to_numpy()] = counts[name].to_numpy()
    return TrackFigures(
        skip_rate=smoothed_rate(found["n_skips"], found["n_timed"]),
        num_plays=found["n_plays"],
        artist=tracks["artist"].fill_null(-1).to_numpy().astype(np.int64),
        vector=short_vectors(vectors),
    )


def short_vectors(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of at most 32 numbers and unit length; zeros stay zeros: float32 [N, V]."""
    if vectors.shape[1] > _MAX_LENGTH:
        rng = np.random.default_rng(_PROJECTION_SEED)
        vectors = vectors @ rng.standard_normal((vectors.shape[1], _MAX_LENGTH)).astype(np.float32)
    norm = np.sqrt(np.square(vectors.astype(np.float64)).sum(axis=1, keepdims=True))
    return (vectors / np.where(norm > 0, norm, 1.0)).astype(np.float32)
