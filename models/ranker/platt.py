"""Calibration of probabilities on examples that were not used in training. Loads no TensorFlow."""

import numpy as np

from models.logistic import fit_logistic

# Pulls the fit towards the uncalibrated logits, about as strongly as a few positives would.
_RIDGE = 10.0
_NUM_BINS, _ROWS_PER_BIN = 20, 200


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Fit the slope and intercept that calibrate logits [n] to labels [n]; NaN labels do not count (Platt, 1999)."""
    is_settled = np.isfinite(labels)
    prior = np.array([1.0, 0.0])
    slope, intercept = fit_logistic(
        logits[is_settled, None].astype(np.float64), labels[is_settled].astype(np.float64), prior, _RIDGE
    )
    return float(slope), float(intercept)


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Compute the mean distance of predicted and observed share over bins of equal size.

    The number of bins is _NUM_BINS, or less where a bin would have fewer than _ROWS_PER_BIN rows, whose observed share
    would be mostly noise. NaN labels do not count; NaN where no label is left.
    """
    is_settled = np.isfinite(labels)
    if not is_settled.any():
        return float("nan")
    order = np.argsort(probabilities[is_settled], kind="stable")
    bins = min(_NUM_BINS, max(1, len(order) // _ROWS_PER_BIN))
    observed, predicted = (
        np.array_split(values[is_settled][order].astype(np.float64), bins) for values in (labels, probabilities)
    )
    distances = [len(y) * abs(y.mean() - p.mean()) for y, p in zip(observed, predicted, strict=True)]
    return float(sum(distances) / len(order))
