"""Matrix factorisations of the library `implicit`: ALS and BPR."""

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters
from models.baselines.sparse_rows import user_rows

_ITERATIONS = 15
_BPR_ITERATIONS = 100
_SEED = 1


def _fit_als(plays: Interactions, parameters: Parameters) -> Arrays:
    """Learn vectors by alternating least squares; only those of the tracks are kept."""
    with threadpool_limits(1, "blas"):
        model = _als(parameters)
        model.fit(user_rows(plays, half_life_days=0), show_progress=False)
    return {"tracks": model.item_factors}


def _score_als(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    """Compute the users' vectors from their plays, weighted by recency, and multiply."""
    rows = user_rows(plays, parameters["half_life_days"])
    with threadpool_limits(1, "blas"):
        model = _als(parameters)
        model.item_factors = learned["tracks"]
        users = model.recalculate_user(np.arange(plays.num_users), rows)
        scores = users @ learned["tracks"].T
    return _of_listeners(scores, rows)


def _als(parameters: Parameters) -> Any:
    from implicit.cpu.als import AlternatingLeastSquares

    return AlternatingLeastSquares(
        factors=int(parameters["factors"]),
        regularization=parameters["regularization"],
        alpha=parameters["alpha"],
        iterations=_ITERATIONS,
        num_threads=1,
        random_state=_SEED,
    )


def _fit_bpr(plays: Interactions, parameters: Parameters) -> Arrays:
    """Learn vectors of users and tracks by Bayesian personalised ranking."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(
        factors=int(parameters["factors"]),
        learning_rate=parameters["learning_rate"],
        regularization=parameters["regularization"],
        iterations=_BPR_ITERATIONS,
        # with more threads the result would depend on their timing
        num_threads=1,
        random_state=_SEED,
    )
    with threadpool_limits(1, "blas"):
        model.fit(user_rows(plays, half_life_days=0), show_progress=False)
    order = np.argsort(plays.user_key)
    return {"tracks": model.item_factors, "users": model.user_factors[order], "keys": plays.user_key[order]}


def _score_bpr(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    """Look up the users' vectors and multiply; a user without a play has no scores."""
    index = np.searchsorted(learned["keys"], plays.user_key)
    found = learned["keys"][np.minimum(index, len(learned["keys"]) - 1)] == plays.user_key
    users = learned["users"][np.where(found, index, 0)]
    with threadpool_limits(1, "blas"):
        scores = users @ learned["tracks"].T
    return _of_listeners(scores, user_rows(plays, half_life_days=0))


def _of_listeners(scores: np.ndarray, rows: csr_matrix) -> np.ndarray:
    """Set the scores of users without a play to -inf."""
    has_plays = np.diff(rows.indptr) > 0
    return np.where(has_plays[:, None], scores, -np.inf).astype(np.float32)


ALS = Baseline(
    name="als",
    sentence="weighted matrix factorisation by alternating least squares (library implicit)",
    source="Hu et al., ICDM 2008",
    grid=tuple(
        {"factors": 64.0, "regularization": regularization, "alpha": alpha, "half_life_days": half_life}
        for regularization, alpha in ((1.0, 20.0), (5.0, 60.0))
        for half_life in (14.0, 3.0)
    ),
    score=_score_als,
    fit=_fit_als,
)
BPR = Baseline(
    name="bpr",
    sentence="matrix factorisation for pairwise ranking (library implicit)",
    source="Rendle et al., UAI 2009",
    grid=tuple(
        {"factors": 64.0, "learning_rate": rate, "regularization": regularization}
        for rate, regularization in ((0.05, 0.01), (0.1, 0.03))
    ),
    score=_score_bpr,
    fit=_fit_bpr,
)
