"""A baseline: a walk of three steps from the user over tracks and their listeners, which dampens popular tracks."""

import numpy as np
from scipy.sparse import csr_matrix, diags

from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters


def _binary(plays: Interactions) -> csr_matrix:
    """Return which users played which tracks, [U, T] of 0 and 1."""
    shape = (plays.num_users, plays.num_tracks)
    counts = csr_matrix((np.ones(len(plays.user)), (plays.user, plays.track)), shape=shape)
    return counts.sign()


def _normalize_rows(matrix: csr_matrix) -> csr_matrix:
    """Divide each row by its sum; a row of zeros stays one."""
    total = np.asarray(matrix.sum(axis=1)).ravel()
    return csr_matrix(diags(1 / np.maximum(total, 1e-12)) @ matrix)


def fit_walk(plays: Interactions, parameters: Parameters) -> Arrays:
    """Return the last two steps, track -> user -> track, as probabilities: float32 [T, T]."""
    played = _binary(plays)
    walk = (_normalize_rows(csr_matrix(played.T)) @ _normalize_rows(played)).toarray()
    popularity = np.asarray(played.sum(axis=0)).ravel()
    damped = walk / np.maximum(popularity, 1.0) ** parameters["beta"]
    np.fill_diagonal(damped, 0.0)
    return {"walk": damped.astype(np.float32)}


def score_walk(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    """Return float32 [U, T]; -inf where no walk leads."""
    reached = _normalize_rows(_binary(plays)) @ learned["walk"]
    return np.where(reached > 0, reached, -np.inf).astype(np.float32)


BASELINES = (
    Baseline(
        name="rp3beta",
        sentence="random walk of three steps over users and tracks, divided by a power of the track's popularity",
        source="Paudel et al., ACM TiiS 2017",
        # the first is used where there is nothing to tune on
        grid=({"beta": 0.5}, {"beta": 0.3}, {"beta": 0.7}),
        score=score_walk,
        fit=fit_walk,
        # a matrix of all pairs of tracks: 1.6 GB
        max_tracks=20_000,
    ),
)
