"""A mixture of recommenders of the next track, whose weights depend on the context of the case."""

import numpy as np

from models.next_track.contract import Cases

# A case is in one context: in a session or first of one, by the number of the user's earlier plays.
_HISTORY_EDGES = (1, 10, 50, 200)
NUM_CONTEXTS = 2 * (len(_HISTORY_EDGES) + 1)
_ITERATIONS = 200
# Cases of every context together that each context begins with, so that rare ones have sensible weights.
_PRIOR_CASES = 50.0
_FLOOR = 1e-9


def contexts(cases: Cases) -> np.ndarray:
    """Return the context of each case: int64 [B], below NUM_CONTEXTS."""
    history = np.searchsorted(_HISTORY_EDGES, cases.at - cases.starts, side="right")
    return np.where(cases.is_first, history, history + NUM_CONTEXTS // 2)


def fit_mixture(shares: np.ndarray, context: np.ndarray) -> np.ndarray:
    """Fit the weights of K systems in each context to the shares [B, K] that they gave to the plays: [C, K].

    Maximum likelihood by expectation maximisation, which is convex here. The weights of all cases are a prior.
    """
    everywhere = _maximise(shares, np.full(shares.shape[1], 1 / shares.shape[1]), 0.0)
    return np.stack([_maximise(shares[context == one], everywhere, _PRIOR_CASES) for one in range(NUM_CONTEXTS)])


def _maximise(shares: np.ndarray, prior: np.ndarray, strength: float) -> np.ndarray:
    weights = prior
    for _ in range(_ITERATIONS):
        parts = weights * shares + _FLOOR * prior
        counted = (parts / parts.sum(axis=1, keepdims=True)).sum(axis=0) + strength * prior
        weights = counted / counted.sum() if counted.sum() else prior
    return weights


def mix_scores(scores: list[np.ndarray], weights: np.ndarray, context: np.ndarray) -> np.ndarray:
    """Sum the shares of scores [B, T] of K systems by the weights [C, K] of the cases' contexts: float32 [B, T]."""
    mixed = np.zeros(scores[0].shape, dtype=np.float32)
    for column, one in enumerate(scores):
        total = one.sum(axis=1, dtype=np.float64)
        factor = weights[context, column] / np.where(total > 0, total, 1.0)
        mixed += one * factor.astype(np.float32)[:, None]
    return mixed
