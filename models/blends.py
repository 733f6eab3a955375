"""Sums of two baselines."""

import numpy as np


def normalised_sum(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Bring each user's finite scores [U, T] to 0..1 and add them up; -inf only where both have nothing to say."""
    total = scaled(first) + scaled(second)
    return np.where(np.isfinite(first) | np.isfinite(second), total, -np.inf).astype(np.float32)


def scaled(scores: np.ndarray) -> np.ndarray:
    """Move each row's finite scores to 0 for the least and 1 for the highest; 0 where there is none, 1 if alone."""
    finite = np.isfinite(scores)
    low = np.min(scores, axis=1, initial=np.inf, where=finite)[:, None]
    high = np.max(scores, axis=1, initial=-np.inf, where=finite)[:, None]
    spread = np.where(high > low, high - low, 1)
    place = np.where(high > low, (np.where(finite, scores, low) - low) / spread, 1.0)
    return np.where(finite, place, 0.0)
