"""Sums of two baselines."""

import numpy as np


def normalised_sum(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Scale each user's finite scores [U, T] to 0..1 and add them; -inf only where neither baseline has a score."""
    total = _scaled(first) + _scaled(second)
    return np.where(np.isfinite(first) | np.isfinite(second), total, -np.inf).astype(np.float32)


def _scaled(scores: np.ndarray) -> np.ndarray:
    """Scale each row's finite scores from 0 (lowest) to 1 (highest); 0 where not finite, 1 if all are equal."""
    finite = np.isfinite(scores)
    filled = np.where(finite, scores, 0)
    low = np.min(filled, axis=1, initial=np.inf, where=finite)[:, None]
    high = np.max(filled, axis=1, initial=-np.inf, where=finite)[:, None]
    differs = high > low
    scaled = (filled - np.where(differs, low, 0)) / np.where(differs, high - np.where(differs, low, 0), 1)
    return np.where(finite, np.where(differs, scaled, 1.0), 0.0)
