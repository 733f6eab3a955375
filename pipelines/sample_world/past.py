"""The plays of the sample world so far, on which the next plays of its users depend."""

import functools
from dataclasses import dataclass

import numpy as np

_TRACK_BITS = 32


@dataclass(frozen=True)
class Traces:
    """The origins of N plays.

    kind: EXPLORE to AGAIN (plays.py).
    distance: number of plays back to the play that it takes up.
    guess: the artist if every play had taken up the first of the earlier plays it was offered.
    artist, track: rows of the catalog.
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
    """The plays of L listeners so far, by listener and then by time, which U users continue.

    first: int [L + 1], the first row of each listener.
    whose: int [U], the listener whose plays each user continues.
    """

    traces: Traces
    first: np.ndarray
    whose: np.ndarray

    def count(self, user: np.ndarray) -> np.ndarray:
        """Return the number of plays of each user so far."""
        return np.diff(self.first)[self.whose[user]]

    def has_played(self, user: np.ndarray, track: np.ndarray) -> np.ndarray:
        """Return whether each user has played the track, elementwise."""
        key = self.whose[user] << _TRACK_BITS | track
        return np.append(self._played_keys, -1)[np.searchsorted(self._played_keys, key)] == key

    def extended(self, user: np.ndarray, traces: Traces) -> "Past":
        """Return the past with further plays of its listeners, who continue their own; `user`: the listener of each."""
        listener = np.append(np.repeat(np.arange(len(self.first) - 1), np.diff(self.first)), user)
        order = np.argsort(listener, kind="stable")
        joined = {name: np.append(column, getattr(traces, name))[order] for name, column in vars(self.traces).items()}
        first = np.searchsorted(listener[order], np.arange(len(self.first)))
        return Past(Traces(**joined), first, self.whose)

    @functools.cached_property
    def _played_keys(self) -> np.ndarray:
        listener = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
        return np.unique(listener << _TRACK_BITS | self.traces.track)


def no_past(num_users: int) -> Past:
    """Return the past of users without a play."""
    none = np.zeros(0, dtype=np.int64)
    return Past(Traces(none, none, none, none, none), np.zeros(2, dtype=np.int64), np.zeros(num_users, dtype=np.int64))
