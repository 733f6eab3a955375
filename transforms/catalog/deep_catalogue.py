"""The deep catalogue: the least played tracks."""

import numpy as np

# The deep catalogue: the least played tracks that together have this share of all plays, and all tracks without plays.
DEEP_SHARE = 0.2


def is_deep(n_plays: np.ndarray) -> np.ndarray:
    """Return whether each track is of the deep catalogue (see DEEP_SHARE): bool [N]; n_plays: int [N]."""
    order = np.argsort(-n_plays, kind="stable")
    above = np.cumsum(n_plays[order]) - n_plays[order]
    deep = np.empty(len(n_plays), dtype=bool)
    deep[order] = above >= (1 - DEEP_SHARE) * n_plays.sum()
    return deep
