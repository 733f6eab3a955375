"""Gradient-boosted trees (LightGBM) of one binary outcome of a play."""

from collections.abc import Callable

import numpy as np

_PARAMETERS = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.06,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.8,
    "lambda_l2": 2.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_NUM_TREES = 150


def fit_trees(features: np.ndarray, labels: np.ndarray, seed: int) -> str:
    """Train on features [n, F], NaN where unknown, and labels [n] of 0 and 1; return the model as text."""
    import lightgbm

    data = lightgbm.Dataset(features, labels)
    return str(lightgbm.train({**_PARAMETERS, "seed": seed}, data, _NUM_TREES).model_to_string())


def open_trees(text: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that predicts probabilities [n] from features [n, F]."""
    import lightgbm

    booster = lightgbm.Booster(model_str=text)

    def predict(features: np.ndarray) -> np.ndarray:
        if not len(features):
            return np.zeros(0)
        return np.asarray(booster.predict(features, num_threads=1))

    return predict
