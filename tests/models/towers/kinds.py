"""A world of two kinds of tracks that nobody mixes, for the two towers."""

import numpy as np

from models.towers.contract import (
    DAY_PARTS,
    FREQUENT_LENGTH,
    NUM_GENRES,
    NUM_WORDS,
    SEQUENCE_LENGTH,
    Sequences,
    TowerOptions,
    TrackContent,
)

OPTIONS = TowerOptions(
    size=16,
    num_epochs=4,
    num_warm_epochs=1,
    batch_size=64,
    learning_rate=0.03,
    temperature=0.2,
    dropout=0.3,
    id_dropout=0.2,
    num_hidden=4,
    num_negatives=32,
    seed=1,
)
# Of 80 tracks the even ones are of one kind, the odd ones of the other; nobody ever played the last eight.
NUM_TRACKS, UNPLAYED = 80, np.arange(72, 80)
KIND = np.arange(NUM_TRACKS) % 2


def sequences_of(num: int = 600, seed: int = 0) -> Sequences:
    rng = np.random.default_rng(seed)
    kind = rng.integers(2, size=num)
    length = rng.integers(2, 20, size=num)
    tracks = 2 * rng.zipf(1.3, (num, SEQUENCE_LENGTH)) % 72 + kind[:, None]
    tracks = np.where(np.arange(SEQUENCE_LENGTH)[None] < length[:, None], tracks, -1).astype(np.int32)
    frequent = np.pad(tracks[:, :5], [(0, 0), (0, FREQUENT_LENGTH - 5)], constant_values=-1)
    daypart_histogram = np.full((num, DAY_PARTS), 0.25, dtype=np.float32)
    return Sequences(tracks, frequent, daypart_histogram)


def content_of(*, with_vectors: bool) -> TrackContent:
    rng = np.random.default_rng(3)
    axis = np.stack([KIND, 1 - KIND], axis=1) + 0.1 * rng.standard_normal((NUM_TRACKS, 2))
    vector = axis if with_vectors else np.zeros((NUM_TRACKS, 0))
    num_plays = np.where(np.isin(np.arange(NUM_TRACKS), UNPLAYED), 0, 10)
    return TrackContent(
        artist=np.zeros(NUM_TRACKS, np.int32),
        genres=np.zeros((NUM_TRACKS, NUM_GENRES), np.int32),
        words=np.zeros((NUM_TRACKS, NUM_WORDS), np.int32),
        vector=vector.astype(np.float32),
        facts=np.zeros((NUM_TRACKS, 2), np.float32),
        num_plays=num_plays,
        num_rows={"artist": 4, "genre": 4, "word": 4},
    )
