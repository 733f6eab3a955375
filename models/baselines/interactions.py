"""Baseline: a recommender that evaluations compare with; plays as arrays in, scores of all tracks out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

# Result of a fit, by name; saved as one .npz file, so arrays only.
Arrays = Mapping[str, np.ndarray]
Parameters = Mapping[str, float]


@dataclass(frozen=True)
class Interactions:
    """N plays of 30 s or more of U users on T tracks up to one moment, by user and then by time.

    user: int32 [N], ascending, 0..U-1 (a user may have no row); track: int32 [N], 0..T-1.
    session: int32 [N], ascending; a gap of over 30 minutes or another user starts the next session.
    days: float64 [N], age of the play at the moment, above 0.
    user_key: uint64 [U], a stable hash of the user's id: finds a user's learned vector again.
    """

    user: np.ndarray
    track: np.ndarray
    session: np.ndarray
    days: np.ndarray
    user_key: np.ndarray
    num_tracks: int

    @property
    def num_users(self) -> int:
        """Return the number of users, including those without a play."""
        return len(self.user_key)


def _fit_nothing(plays: Interactions, parameters: Parameters) -> Arrays:
    """Return no arrays: for baselines that use only the user's own plays."""
    return {}


@dataclass(frozen=True)
class Baseline:
    """One way to rank all tracks for a user.

    grid: the parameters that are tried on an earlier cutoff; the first entry is used where there is nothing to tune on.
    fit: learns from the plays of all users; deterministic.
    score: float32 [U, T] for the users of a block of the same plays, higher is better, -inf where the
        baseline has no score; a user's row does not depend on the other users of the block.
    max_tracks: the baseline is not fitted to larger catalogues.
    """

    name: str
    sentence: str
    source: str
    grid: tuple[Parameters, ...]
    score: Callable[[Interactions, Arrays, Parameters], np.ndarray]
    fit: Callable[[Interactions, Parameters], Arrays] = _fit_nothing
    max_tracks: int = 2**31 - 1
