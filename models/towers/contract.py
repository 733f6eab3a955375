"""Types between the two towers and the pipeline: sequences and content in, embeddings out. Loads no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# Lengths of the inputs of the user tower: latest plays, most played tracks, quarters of the day.
SEQUENCE_LENGTH = 50
FREQUENT_LENGTH = 20
DAY_PARTS = 4
# Maximum numbers of genres of a track, and of words of its title and artist name.
NUM_GENRES = 3
NUM_WORDS = 8

# Weights of the towers, or the mean Adagrad state of their rows, by the names in weights.py.
Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class TrackContent:
    """Content features of N tracks; integers are rows of hashed embedding tables, row 0 means unknown.

    artist: int32 [N]; genres: int32 [N, NUM_GENRES]; words: int32 [N, NUM_WORDS], padded with 0.
    vector: float32 [N, V], the content embedding of the track table, zeros where there is none; V may be 0.
    facts: float32 [N, 2], signed_log1p of age and duration, 0 where unknown.
    num_plays: int64 [N]; a track without a play has no embedding of its own.
    num_rows: sizes of the hashed tables artist, genre, word; powers of two, so that a table can grow.
    """

    artist: np.ndarray
    genres: np.ndarray
    words: np.ndarray
    vector: np.ndarray
    facts: np.ndarray
    num_plays: np.ndarray
    num_rows: Mapping[str, int]

    def __len__(self) -> int:
        """Return the number of tracks."""
        return len(self.artist)


@dataclass(frozen=True)
class Sequences:
    """Inputs of the user tower for S users or parts of their histories; tracks are codes, -1 is padding.

    tracks: int32 [S, SEQUENCE_LENGTH], consecutive plays, newest first.
    frequent: int32 [S, FREQUENT_LENGTH], the user's most played tracks, best first.
    daypart_histogram: float32 [S, DAY_PARTS], share of the user's plays in each quarter of the day (UTC).
    """

    tracks: np.ndarray
    frequent: np.ndarray
    daypart_histogram: np.ndarray

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.tracks)

    def take(self, rows: np.ndarray | slice) -> "Sequences":
        """Return some of the sequences."""
        return Sequences(self.tracks[rows], self.frequent[rows], self.daypart_histogram[rows])


@dataclass(frozen=True)
class TrainedTowers:
    """Result of a training.

    weights: by name. state: the mean Adagrad state of each row of the weights.
    tracks: float32 [N, D], embeddings of length 1. inputs: float32 [N, D], what a play adds to a user's pools.
    """

    weights: Weights
    state: Weights
    tracks: np.ndarray
    inputs: np.ndarray


@dataclass(frozen=True)
class WarmStart:
    """Earlier towers from which a training starts; row: int [N], row of each of today's tracks there, -1 if new."""

    weights: Weights
    state: Weights
    row: np.ndarray


@dataclass(frozen=True)
class TowerOptions:
    """Hyper-parameters of the two towers."""

    size: int  # length of the embeddings
    num_epochs: int  # passes over the sequences without warm start
    num_warm_epochs: int  # passes over the sequences after a warm start; 0 keeps the weights
    batch_size: int  # sequences per step
    learning_rate: float  # of Adagrad
    temperature: float  # of the softmax over cosines
    dropout: float  # share of a user's tracks that the user tower does not see
    id_dropout: float  # share of candidates whose own embedding is hidden, so that only their content counts
    num_hidden: int  # maximum number of tracks of a sequence to predict
    num_negatives: int  # uniformly drawn candidates per batch, besides the hidden tracks
    seed: int
