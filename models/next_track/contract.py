"""NextTrackBaseline: a recommender of the next track; plays and cases as arrays in, scores of all tracks out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

# Result of a fit, by name; saved as one .npz file, so arrays only.
NextTrackArrays = Mapping[str, np.ndarray]
NextTrackParameters = Mapping[str, float]
SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class PlayLog:
    """N plays of 30 s or more of U users on T tracks, by user and then by time.

    user: int32 [N], ascending, 0..U-1. track: int32 [N], 0..T-1. seconds: float64 [N], time of the play since 1970.
    session: int32 [N], ascending; a gap of over 30 minutes or another user starts the next session.
    """

    user: np.ndarray
    track: np.ndarray
    seconds: np.ndarray
    session: np.ndarray
    num_tracks: int

    def __len__(self) -> int:
        """Return the number of plays."""
        return len(self.track)


@dataclass(frozen=True)
class Cases:
    """B plays to predict: rows `at` [B] of a log, ascending.

    A case knows its time, its user's plays before it, also those after the moment up to which the baselines learned,
    and whether it begins a session; no other play.
    """

    log: PlayLog
    at: np.ndarray

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.at)

    @property
    def starts(self) -> np.ndarray:
        """Return the row of the first play of each case's user: int64 [B]."""
        return np.searchsorted(self.log.user, self.log.user[self.at])

    @property
    def is_first(self) -> np.ndarray:
        """Return whether each case begins a session: bool [B]."""
        return session_starts(self.log)[self.at]

    def take(self, rows: slice) -> "Cases":
        """Return some of the cases."""
        return Cases(self.log, self.at[rows])


def session_starts(log: PlayLog) -> np.ndarray:
    """Return whether each play is the first of its session: bool [N]."""
    return np.diff(log.session, prepend=-1) != 0


def known_plays(cases: Cases, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the last `most` plays before each case, newest first: indexes of cases [P] and rows of the log [P].

    log        a b c | d e f          cases at c and f, most = 2
    result     case 0: b a   case 1: e d
    """
    counts = np.minimum(cases.at - cases.starts, most)
    case = np.repeat(np.arange(len(cases)), counts)
    first = np.cumsum(counts) - counts
    return case, cases.at[case] - 1 - (np.arange(len(case)) - first[case])


def recent_rows(cases: Cases, most: int, decay: float) -> csr_matrix:
    """Weigh the last `most` plays before each case by decay^n, n of them being newer: float32 [B, T]."""
    case, row = known_plays(cases, most)
    weight = (decay ** (cases.at[case] - 1 - row)).astype(np.float32)
    return csr_matrix((weight, (case, cases.log.track[row])), shape=(len(cases), cases.log.num_tracks))


def dense_scores(scores: csr_matrix) -> np.ndarray:
    """Return sparse scores as float32 [B, T]; 0 where there is none."""
    dense: np.ndarray = scores.toarray().astype(np.float32)
    return dense


def fit_nothing(log: PlayLog, now: float, parameters: NextTrackParameters) -> NextTrackArrays:
    """Return no arrays: for baselines that use only the user's own plays."""
    return {}


@dataclass(frozen=True)
class NextTrackBaseline:
    """One way to rank all tracks as the next one of a user.

    grid: the parameters that are tried on an earlier week; the first entry is used where there is nothing to tune on.
    fit: learns from the plays of all users before a moment (seconds since 1970); deterministic.
    score: float32 [B, T], 0 or more, 0 where the baseline knows nothing; a case's row does not depend on the others.
    """

    name: str
    sentence: str
    source: str
    grid: tuple[NextTrackParameters, ...]
    score: Callable[[Cases, NextTrackArrays, NextTrackParameters], np.ndarray]
    fit: Callable[[PlayLog, float, NextTrackParameters], NextTrackArrays] = fit_nothing
