"""Draw the set of each queue: systematic sampling with exact probabilities of inclusion (Madow, 1949)."""

import numpy as np


def inclusion_probabilities(weight: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return probabilities proportional to weights [Q, C], at most 1, that sum to `size` [Q] where there are as many.

    A weight of 0 is never drawn.
    """
    probability = np.zeros(weight.shape)
    is_open = weight > 0
    left = np.minimum(size, is_open.sum(axis=1)).astype(np.float64)
    # those that would exceed 1 are taken, and the rest is shared anew: at most as many rounds as tracks, mostly three
    while True:
        total = np.where(is_open, weight, 0.0).sum(axis=1)
        share = np.where(is_open, weight * (left / np.where(total > 0, total, 1.0))[:, None], 0.0)
        is_sure = is_open & (share >= 1 - 1e-12)
        if not is_sure.any():
            return np.where(is_open, share, probability)
        probability[is_sure] = 1.0
        left = left - is_sure.sum(axis=1)
        is_open &= ~is_sure


def draw_sets(probability: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Draw sets with these probabilities of inclusion [Q, C], by one uniform number [Q] each: bool [Q, C].

    probability   .5   1   .25  .25          cumulated   .5  1.5  1.75  2
    u = .3        .3 is in the first, 1.3 in the second: both are drawn
    """
    end = np.round(np.cumsum(probability, axis=1), 9)
    begin = np.concatenate([np.zeros((len(end), 1)), end[:, :-1]], axis=1)
    u = uniform[:, None]
    return np.asarray(np.ceil(end - u) > np.ceil(begin - u)) & (probability > 0)
