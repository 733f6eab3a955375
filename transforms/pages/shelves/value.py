"""The value of a shelf: what composition maximises, and the score that is published with a shelf."""

import numpy as np

from models.metrics import dcg_discount


def rank_discount(size: int, shelf_size: int) -> np.ndarray:
    """Return 1 / log2(rank + 2) for the first `shelf_size` ranks and 0 for those behind, float64 [size]."""
    ranks = np.arange(size)
    return np.where(ranks < shelf_size, dcg_discount(ranks), 0.0)
