"""What the users of the sample world have played, as far as their next plays depend on it."""

import functools
from dataclasses import dataclass

import numpy as np

_TRACK_BITS = 32


@dataclass(frozen=True)
class Traces:
    """How N plays came about: kind, how many plays back each points, its artist and track.

    `guess`: whose artist's it would be if every play took the first of the earlier plays that it may go back to.
    """

    kind: np.ndarray
    distance: np.ndarray
    guess: np.ndarray
    artist: np.ndarray
    track: np.ndarray

    def take(self, rows: np.ndarray | slice) -> "Traces":
        """Return some of the rows."""
        return Traces(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True)
class Past:
    """What L listeners played before, by listener and then by time, and from `whose` past each of U users goes on.

    first [L + 1]: where the rows of each listener begin.
    """

    traces: Traces
    first: np.ndarray
    whose: np.ndarray

    def count(self, user: np.ndarray) -> np.ndarray:
        """Return how much each user has played."""
        return np.diff(self.first)[self.whose[user]]

    def has_heard(self, user: np.ndarray, track: np.ndarray) -> np.ndarray:
        """Whether each user has played the track."""
        key = self.whose[user] << _TRACK_BITS | track
        return np.append(self._heard, -1)[np.searchsorted(self._heard, key)] == key

    @functools.cached_property
    def _heard(self) -> np.ndarray:
        listener = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
        return np.unique(listener << _TRACK_BITS | self.traces.track)


def no_past(num_users: int) -> Past:
    """Return the past of users who have played nothing."""
    none = np.zeros(0, dtype=np.int64)
    return Past(Traces(none, none, none, none, none), np.zeros(2, dtype=np.int64), np.zeros(num_users, dtype=np.int64))
