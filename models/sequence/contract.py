"""Types between the sequence model and the pipeline: windows of plays in, probabilities of tracks out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np

# Plays of a window that the model reads, tracks of the listener's memory, and plays that a window shares with the one
# before it, so that its first predictions have a context too.
WINDOW_PLAYS = 50
MEMORY_TRACKS = 64
CONTEXT_PLAYS = 10
NO_TRACK = -1
# Actions: of unknown duration, under 30 s, 30 s or more of a track of unknown length, stopped before its end, complete.
UNKNOWN, SKIPPED, HEARD, PARTIAL, COMPLETE = range(5)
NUM_ACTIONS = 5
WINDOW_DAYPARTS = 4
# Users are divided into folds: a listener's own plays are left out of the successor counts that their windows see.
NUM_FOLDS = 5
FEEDBACK = ("skip", "completion", "save")
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
# Time between two plays: the first four steps lie in a session.
_GAP_EDGES = (60.0, 180.0, 300.0, 600.0, 30 * _MINUTE, 6 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY, 30 * _DAY)
SESSION_GAP = 5
NUM_GAPS = len(_GAP_EDGES) + 1
# What is asked: to continue a session, to begin one after a gap of each length, the first play of a listener.
FIRST_PLAY = NUM_GAPS - SESSION_GAP + 1
NUM_QUERIES = FIRST_PLAY + 1


def gap_bucket(seconds: np.ndarray) -> np.ndarray:
    """Return the bucket of the time between two plays: int64, below NUM_GAPS; SESSION_GAP or more begins a session."""
    return np.searchsorted(_GAP_EDGES, seconds, side="left")


def query_of_gap(gap: np.ndarray) -> np.ndarray:
    """Return the question that a gap bucket asks: 0 to continue, else to begin a session."""
    return np.maximum(gap - SESSION_GAP + 1, 0)


@dataclass(frozen=True)
class PlayWindows:
    """S windows of W + 1 consecutive plays of a listener, oldest first, NO_TRACK padded at the end.

    The model reads the plays but the last one, and predicts each from those before it. A listener's first window begins
    with a column without track and with action UNKNOWN, from which the first play is predicted.

    track: int32 [S, W + 1]. seconds: float64 [S, W + 1], start of the play since 1970.
    action: int8 [S, W + 1], of UNKNOWN to COMPLETE. is_saved: int8 [S, W + 1], 1 if saved within an hour.
    daypart: int8 [S, W + 1]. length: int32 [S], columns in use. first: int32 [S], the first column that is predicted.
    memory: int32 [S, MEMORY_TRACKS], the listener's tracks of the highest activation before the window, best first.
    strength: float32 [S, MEMORY_TRACKS], ln of their activation. fold: int8 [S].
    """

    track: np.ndarray
    seconds: np.ndarray
    action: np.ndarray
    is_saved: np.ndarray
    daypart: np.ndarray
    length: np.ndarray
    first: np.ndarray
    memory: np.ndarray
    strength: np.ndarray
    fold: np.ndarray

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.track)

    def take(self, rows: np.ndarray | slice) -> "PlayWindows":
        """Return some of the windows."""
        return PlayWindows(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def cut(self, num_columns: int) -> "PlayWindows":
        """Return the first columns of all windows."""
        names = ("track", "seconds", "action", "is_saved", "daypart")
        return replace(self, **{name: getattr(self, name)[:, :num_columns] for name in names})


# Yields the windows of a training in blocks that fit into memory, the same ones in the same order for each call.
WindowStream = Callable[[], Iterator[PlayWindows]]
SequenceWeights = Mapping[str, np.ndarray]


class Checkpoints(Protocol):
    """Storage for the state of a training between two attempts at it."""

    def save(self, state: Mapping[str, np.ndarray]) -> None:
        """Store the state, whole or not at all."""

    def latest(self) -> Mapping[str, np.ndarray] | None:
        """Return the newest state that was stored; None without one."""


@dataclass(frozen=True)
class SequenceOptions:
    """Hyper-parameters of the sequence model."""

    size: int  # length of the vectors
    num_layers: int
    num_heads: int
    num_epochs: int
    batch_plays: int  # plays per step, padding included
    learning_rate: float  # of Adam, for the layers; falls to 0 along a cosine
    table_learning_rate: float  # of Adagrad, for the tables of tracks
    dropout: float
    id_dropout: float  # share of tracks whose own vectors are hidden, so that only their content counts
    num_negatives: int  # uniformly drawn tracks per step above max_full_tracks, besides those of the batch
    max_full_tracks: int  # the softmax over the catalogue is complete up to this size
    feedback_weight: float  # of the losses of skip, completion and save
    seed: int
