"""What a baseline is to the evaluation: plays as arrays in, a score for every track out. Loads no TensorFlow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

# What a fit leaves behind, by name; saved as one .npz, so numbers only.
Arrays = Mapping[str, np.ndarray]
Parameters = Mapping[str, float]


@dataclass(frozen=True)
class Interactions:
    """The plays of 30 s or more of U users on T tracks up to one moment, by user and then by time: N rows.

    user: int32 [N], ascending, 0..U-1 (a user may have no row); track: int32 [N], 0..T-1.
    session: int32 [N], ascending; a gap of over 30 minutes or another user begins the next one.
    days: float64 [N], age of the play at the moment, above 0.
    user_key: uint64 [U], a stable hash of the user's id: by it a user is found again who has learned a vector.
    """

    user: np.ndarray
    track: np.ndarray
    session: np.ndarray
    days: np.ndarray
    user_key: np.ndarray
    num_tracks: int

    @property
    def num_users(self) -> int:
        """How many users, those without a play among them."""
        return len(self.user_key)


def _fit_nothing(plays: Interactions, parameters: Parameters) -> Arrays:
    """Fit what has nothing to learn from others."""
    return {}


@dataclass(frozen=True)
class Baseline:
    """One way to rank all tracks for a user.

    grid: the parameters that are tried on an earlier cutoff; the first entry is used where there is nothing to tune on.
    fit: on the plays of all users; deterministic.
    score: float32 [U, T] for the users of a block of the same plays, higher is better, -inf where there is nothing to
        say; a user's row does not depend on who else is in the block.
    max_tracks: a larger catalogue is left alone.
    """

    name: str
    sentence: str
    source: str
    grid: tuple[Parameters, ...]
    score: Callable[[Interactions, Arrays, Parameters], np.ndarray]
    fit: Callable[[Interactions, Parameters], Arrays] = _fit_nothing
    max_tracks: int = 2**31 - 1
