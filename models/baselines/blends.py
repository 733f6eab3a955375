"""Sums of two baselines."""

import numpy as np


def normalised_sum(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Bring each user's finite scores [U, T] to 0..1 and add them up; -inf only where both have nothing to say."""
    total = _scaled(first) + _scaled(second)
    return np.where(np.isfinite(first) | np.isfinite(second), total, -np.inf).astype(np.float32)


def _scaled(scores: np.ndarray) -> np.ndarray:
    """Move each row's finite scores to 0 for the least and 1 for the highest; 0 where there is none, 1 if alone."""
    finite = np.isfinite(scores)
    known = np.where(finite, scores, 0)
    low = np.min(known, axis=1, initial=np.inf, where=finite)[:, None]
    high = np.max(known, axis=1, initial=-np.inf, where=finite)[:, None]
    differs = high > low
    place = (known - np.where(differs, low, 0)) / np.where(differs, high - np.where(differs, low, 0), 1)
    return np.where(finite, np.where(differs, place, 1.0), 0.0)
