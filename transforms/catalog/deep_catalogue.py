"""The deep catalogue: the least played tracks."""

import numpy as np

# The least played tracks, which together have this share of all plays, and those that nobody played.
DEEP_SHARE = 0.2


def is_deep(n_plays: np.ndarray) -> np.ndarray:
    """Whether a track is of the deep catalogue: bool [N]; see DEEP_SHARE."""
    order = np.argsort(-n_plays, kind="stable")
    above = np.cumsum(n_plays[order]) - n_plays[order]
    deep = np.empty(len(n_plays), dtype=bool)
    deep[order] = above >= (1 - DEEP_SHARE) * n_plays.sum()
    return deep
