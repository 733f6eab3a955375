"""What the two towers are to the pipeline: sequences and track content in, vectors out. Loads no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# How a user is seen: the latest plays, the most frequent tracks, and when in the day the user listens.
SEQUENCE_LENGTH = 50
FREQUENT_LENGTH = 20
DAY_PARTS = 4
NUM_GENRES = 3  # of a track that count
NUM_WORDS = 8  # of title and artist name that count

# The weights of a trained pair of towers, by name; the layout is in two_tower.py.
Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class TrackContent:
    """What is known of N tracks without any play, as rows of hashed tables; row 0 of a table: unknown.

    artist: int32 [N]; genres: int32 [N, NUM_GENRES]; words: int32 [N, NUM_WORDS], all padded with 0.
    vector: float32 [N, V], a content embedding, zeros where there is none; V may be 0.
    facts: float32 [N, 2], squashed age and duration, 0 where unknown.
    num_plays: int64 [N]; a track without a play has no embedding of its own.
    num_rows: sizes of the hashed tables artist, genre, word: powers of two, so that a table can grow.
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
    """S stretches of users' listening, by code of the track, -1 where there is none.

    tracks: int32 [S, SEQUENCE_LENGTH], consecutive plays, newest first.
    frequent: int32 [S, FREQUENT_LENGTH], the user's most played tracks, best first.
    rhythm: float32 [S, DAY_PARTS], share of the user's plays in each quarter of the day (UTC).
    """

    tracks: np.ndarray
    frequent: np.ndarray
    daypart_histogram: np.ndarray

    def __len__(self) -> int:
        """Return the number of stretches."""
        return len(self.tracks)

    def take(self, rows: np.ndarray | slice) -> "Sequences":
        """Return some of the stretches."""
        return Sequences(self.tracks[rows], self.frequent[rows], self.daypart_histogram[rows])


@dataclass(frozen=True)
class TowerOptions:
    """The hyper-parameters."""

    size: int  # of the vectors
    num_epochs: int  # passes over the sequences when the towers are new
    num_warm_epochs: int  # when they continue from earlier ones; 0: they stay as they are
    batch_size: int  # sequences per step
    learning_rate: float  # of Adagrad
    temperature: float  # of the softmax over cosines
    dropout: float  # share of a user's tracks hidden from the user tower
    id_dropout: float  # share of tracks shown by their content alone
    num_hidden: int  # tracks of a sequence to predict, at most
    num_negatives: int  # uniformly drawn tracks beside those of the batch
    is_logq: bool  # whether the softmax is corrected for how often tracks are drawn
    seed: int
