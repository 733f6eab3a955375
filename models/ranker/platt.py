"""Calibration of chances on examples that were not trained on. Loads no TensorFlow."""

import numpy as np

from models.logistic import fit_logistic

# Pulls towards what training said, as much as a few positives would.
_RIDGE = 10.0
_NUM_BINS, _ROWS_PER_BIN = 20, 200


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Slope and intercept that turn logits [n] into those of the labels [n]; NaN labels do not count (Platt, 1999)."""
    is_settled = np.isfinite(labels)
    prior = np.array([1.0, 0.0])
    slope, intercept = fit_logistic(
        logits[is_settled, None].astype(np.float64), labels[is_settled].astype(np.float64), prior, _RIDGE
    )
    return float(slope), float(intercept)


def expected_calibration_error(labels: np.ndarray, chances: np.ndarray) -> float:
    """Expected calibration error: mean distance of chance and truth over bins of as many rows each.

    There are NUM_BINS of them, fewer where a bin would have under ROWS_PER_BIN: their truths would be but chance.

    NaN labels do not count; NaN where none is left.
    """
    is_settled = np.isfinite(labels)
    if not is_settled.any():
        return float("nan")
    order = np.argsort(chances[is_settled], kind="stable")
    bins = min(_NUM_BINS, max(1, len(order) // _ROWS_PER_BIN))
    truth, chance = (np.array_split(values[is_settled][order].astype(np.float64), bins) for values in (labels, chances))
    distances = [len(y) * abs(y.mean() - p.mean()) for y, p in zip(truth, chance, strict=True)]
    return float(sum(distances) / len(order))
