"""EASE: a linear item-item model in closed form."""

import numpy as np
from scipy.linalg import lapack

from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters
from models.baselines.sparse_rows import user_rows


def _fit_ease(plays: Interactions, parameters: Parameters) -> Arrays:
    """Return B = I - P / diag(P) with P = (X'X + l2 I)^-1, in half precision; X is 1 where a user played a track.

    Raises:
        ArithmeticError: X'X + l2 I cannot be inverted; l2 is too small.
    """
    played = user_rows(plays, half_life_days=0)
    played.data[:] = 1
    gram = np.asfortranarray((played.T @ played).toarray().astype(np.float32))
    gram[np.diag_indices_from(gram)] += parameters["l2"]
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, failed_too = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise ArithmeticError(f"EASE: the Gram matrix cannot be inverted with l2={parameters['l2']}")
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return {"weights": weights.astype(np.float16)}


def _score_ease(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    """Sum the weights of the user's tracks, recently played ones with a higher weight."""
    rows = user_rows(plays, parameters["half_life_days"])
    scores = rows @ learned["weights"].astype(np.float32, copy=False)
    return np.where(scores != 0, scores, -np.inf).astype(np.float32)


EASE = Baseline(
    name="ease",
    sentence="linear item-item model in closed form, the user's tracks weighted by recency",
    source="Steck, WWW 2019",
    grid=tuple({"l2": l2, "half_life_days": 7.0} for l2 in (100.0, 300.0)),
    score=_score_ease,
    fit=_fit_ease,
    # three matrices with this number of rows and columns are in memory at the same time
    max_tracks=12_000,
)
