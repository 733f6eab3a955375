"""Fit the chances of a skip and of a completion, and what order does to skips; evaluate on users who were left out."""

import numpy as np

from models.logistic import fit_logistic, sigmoid
from models.metrics import auc, log_loss
from models.ranker.platt import expected_calibration_error
from models.skips.boosting import fit_trees, open_trees
from models.skips.fitted import FittedSkips

# A fifth of the users is left out for the evaluation.
_FOLDS = 5
_RIDGE = 10.0
_MIN_EXAMPLES = 200


def fit_skips(
    features: np.ndarray, skipped: np.ndarray, completed: np.ndarray, user: np.ndarray, seed: int
) -> FittedSkips:
    """Fit to features [n, F] and outcomes [n], NaN where unknown; user: uint64 [n], hashes of users.

    What is reported was measured with models that did not see the users; what is returned has seen all.
    """
    is_left_out = user % np.uint64(_FOLDS) == 0
    outcomes = {"skipped": skipped, "completed": completed}
    trees, rates, report = {}, {}, {"examples": float(len(features))}
    for name, label in outcomes.items():
        is_known = np.isfinite(label)
        rates[name] = float(label[is_known].mean()) if is_known.any() else 0.5
        trees[name] = _fit_known(features, label, is_known, seed)
        kept = _fit_known(features, label, is_known & ~is_left_out, seed)
        judged = is_known & is_left_out
        if kept and judged.any():
            report |= _figures(name, label[judged], open_trees(kept)(features[judged]))
    mean, weights = _fit_order(features, skipped, ~is_left_out)
    judged = np.isfinite(skipped) & is_left_out
    if judged.any():
        report |= _figures(
            "order", skipped[judged], sigmoid(_centred(features[judged], mean) @ weights[:-1] + weights[-1])
        )
    mean, weights = _fit_order(features, skipped, np.ones(len(features), dtype=bool))
    return FittedSkips(trees, rates, mean, weights[:-1], float(weights[-1]), report)


def _fit_known(features: np.ndarray, label: np.ndarray, rows: np.ndarray, seed: int) -> str:
    """Return the trees, or no text where there are too few examples or one outcome alone."""
    known = label[rows]
    if len(known) < _MIN_EXAMPLES or known.min() == known.max():
        return ""
    return fit_trees(features[rows], known, seed)


def _fit_order(features: np.ndarray, skipped: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means [F] of the features and the weights [F + 1] of the centred ones, the intercept last."""
    chosen = rows & np.isfinite(skipped)
    width = features.shape[1]
    if not chosen.any():
        return np.zeros(width), np.zeros(width + 1)
    known = features[chosen]
    count = np.isfinite(known).sum(axis=0)
    mean = np.nansum(known, axis=0) / np.maximum(count, 1)
    return mean, fit_logistic(_centred(known, mean), skipped[chosen], np.zeros(width + 1), _RIDGE)


def _centred(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(features), features - mean, 0.0)


def _figures(name: str, label: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Return the figures of one outcome; where only one class is left there is no AUC."""
    figures = {
        f"{name}_auc": auc(label, probability),
        f"{name}_log_loss": log_loss(label, probability),
        f"{name}_calibration_error": expected_calibration_error(label, probability),
        f"{name}_rate": float(label.mean()),
    }
    return {figure: value for figure, value in figures.items() if np.isfinite(value)}
