"""Exact logistic regression of few inputs by Newton's method, with a ridge penalty towards prior weights."""

import numpy as np

_ITERATIONS, _TOLERANCE, _MIN_STEP = 50, 1e-9, 1e-6
_MIN_PROBABILITY = 1e-7


def fit_logistic(inputs: np.ndarray, labels: np.ndarray, prior: np.ndarray, ridge: float) -> np.ndarray:
    """Fit the weights of inputs [n, K] to labels [n] (0 or 1): float64 [K + 1], the intercept last.

    `prior` [K + 1] are the weights without any row. A deviation of 1 from them, in units of the standard deviation of
    the input, costs `ridge` / 2 of log-likelihood.
    """
    scale = np.append(inputs.std(axis=0, dtype=np.float64), 1.0) if len(inputs) else np.ones(len(prior))
    scale[scale < 1e-9] = 1.0
    scaled = np.column_stack([inputs, np.ones(len(inputs))]) / scale
    start = prior * scale
    weights, loss = start, _loss(start, start, scaled, labels, ridge)
    for _ in range(_ITERATIONS):
        share = sigmoid(scaled @ weights)
        gradient = scaled.T @ (share - labels) + ridge * (weights - start)
        curvature = (scaled * (share * (1 - share))[:, None]).T @ scaled + ridge * np.eye(len(weights))
        step, length = np.linalg.solve(curvature, gradient), 1.0
        while (found := _loss(weights - length * step, start, scaled, labels, ridge)) > loss and length > _MIN_STEP:
            length /= 2
        if loss - found <= _TOLERANCE * abs(loss):
            break
        weights, loss = weights - length * step, found
    return np.asarray(weights / scale)


def _loss(weights: np.ndarray, start: np.ndarray, scaled: np.ndarray, labels: np.ndarray, ridge: float) -> float:
    logit = scaled @ weights
    return float((np.logaddexp(0, logit) - labels * logit).sum() + ridge / 2 * np.square(weights - start).sum())


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-logit)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -logit)))


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return ln(p / (1 - p)), float64, of probabilities clipped to [1e-7, 1 - 1e-7]."""
    p = np.clip(probability.astype(np.float64), _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    return np.asarray(np.log(p) - np.log1p(-p))
