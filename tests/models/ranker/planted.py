"""Examples with a planted truth: a play depends on popularity, on a wave over a feature, and on taste.

A played track is played again at random; for every fourth user that label is not settled.
"""

from collections.abc import Mapping

import numpy as np

from models.ranker.contract import (
    IMPRESSION_INPUTS,
    CheckpointStore,
    Examples,
    ExampleStream,
    FeatureBatch,
    FeatureSpec,
)
from models.ranker.entry import OnEpoch, RankerOptions, TrainingData

NUM_GENRES = 5
SPEC = FeatureSpec(
    ("popularity", "wave", "noise", "base"),
    num_tracks=200,
    num_artists=20,
    recent_length=6,
    heads=("played", "replayed"),
)
OPTIONS = RankerOptions(
    main_head="played",
    base="base",
    popularity="popularity",
    embedding_size=16,
    cross_layers=2,
    hidden=(32, 16),
    learning_rate=0.05,
    batch_size=1024,
    num_epochs=5,
    id_dropout=0.1,
    min_propensity=0.1,
    seed=7,
)


def planted_examples(rows: int, seed: int) -> Examples:
    """Draw users whose recent tracks are mostly of one genre, and who play candidates of that genre more often."""
    generator = np.random.default_rng(seed)
    ids = np.arange(SPEC.num_tracks + 1, dtype=np.int32)
    genre, popularity = ids % NUM_GENRES, 1000 / (1 + ids)
    taste = generator.integers(NUM_GENRES, size=rows)
    recent = generator.integers(1, len(ids), size=(rows, SPEC.recent_length))
    recent_of_taste = recent - recent % NUM_GENRES + taste[:, None]
    recent = np.where(generator.random(recent.shape) < 0.8, recent_of_taste, recent).clip(1, SPEC.num_tracks)
    recent[generator.random(rows) < 0.1, 2:] = 0
    track = generator.integers(1, len(ids), size=rows)
    dense = generator.normal(size=(rows, len(SPEC.dense)))
    dense[:, 0] = popularity[track]
    dense[:, 3] = 1 / (1 + np.exp(2 - 0.4 * np.log1p(dense[:, 0])))
    logit = -2 + 0.4 * np.log1p(dense[:, 0]) + np.cos(2 * dense[:, 1]) + 2.5 * (genre[track] == taste)
    group = (np.arange(rows) // 20).astype(np.int32)
    played = generator.random(rows) < 1 / (1 + np.exp(-logit))
    again = np.where(group % 4 == 3, np.nan, played & (generator.random(rows) < 0.4))
    label = np.column_stack([played, again]).astype(np.float32)
    batch = {
        "dense": dense.astype(np.float32),
        "track": track.astype(np.int32),
        "artist": (track % SPEC.num_artists + 1).astype(np.int32),
        "recent": recent.astype(np.int32),
        **unexposed(rows),
    }
    return Examples(batch, label, group)


def unexposed(rows: int) -> FeatureBatch:
    """Return impression columns where nothing is known."""
    ids = {name: np.zeros(rows, np.int32) for name in IMPRESSION_INPUTS}
    return {**ids, "propensity": np.full(rows, np.nan, np.float32)}


class NoCheckpoints:
    """Store that keeps nothing."""

    def save(self, state: Mapping[str, np.ndarray]) -> None:
        pass

    def latest(self) -> None:
        return None


def rows_of(examples: Examples, rows: slice | np.ndarray) -> Examples:
    return Examples(batch_of(examples.features, rows), examples.label[rows], examples.group[rows])


def batch_of(batch: FeatureBatch, rows: slice | np.ndarray) -> FeatureBatch:
    return {name: array[rows] for name, array in batch.items()}


def in_chunks(examples: Examples, chunk_rows: int) -> ExampleStream:
    starts = range(0, len(examples), chunk_rows)
    return lambda: (rows_of(examples, slice(start, start + chunk_rows)) for start in starts)


def training_data(
    training: ExampleStream,
    validation: ExampleStream,
    *,
    spec: FeatureSpec = SPEC,
    on_epoch: OnEpoch = lambda _: None,
    checkpoints: CheckpointStore | None = None,
) -> TrainingData:
    """Return what a ranker is trained from, on the planted examples."""
    return TrainingData(training, validation, spec, on_epoch, checkpoints or NoCheckpoints())
