"""Ranking metrics, vectorised in float64, equal for every order of the rows; without TensorFlow."""

import numpy as np


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Return the probability that a positive scores above a negative, ties counting half (NaN: one class only)."""
    positive = label > 0
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return float("nan")
    _, value, count = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    below = mean_rank[value][positive].sum() - n_positive * (n_positive + 1) / 2
    return float(below / (n_positive * n_negative))


def log_loss(label: np.ndarray, probability: np.ndarray) -> float:
    """Return the mean binary cross-entropy in nats; probabilities are clipped to [1e-7, 1 - 1e-7] (NaN: no rows)."""
    if not len(label):
        return float("nan")
    p = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    return float(-np.mean(label * np.log(p) + (1 - label) * np.log1p(-p)))


def dcg_discount(rank: np.ndarray) -> np.ndarray:
    """Return the discount of gains at ranks from 0: 1 / log2(rank + 2) (Järvelin and Kekäläinen, TOIS 2002)."""
    return np.asarray(1 / np.log2(rank + 2))


def ndcg_at_k(group: np.ndarray, label: np.ndarray, score: np.ndarray, k: int) -> float:
    """Return the mean NDCG@k of the groups with a positive label (NaN: there is none); see ndcg_of_groups()."""
    values = ndcg_of_groups(group, label, score, k)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def ndcg_of_groups(group: np.ndarray, label: np.ndarray, score: np.ndarray, k: int) -> np.ndarray:
    """Return NDCG@k of each group in ascending order, float64; NaN for groups without a positive label.

    Gains are the labels, discounts dcg_discount(). Rows of a group with equal scores share the mean of their gains, so
    that a constant score gets the expected NDCG of a random order (McSherry and Najork, ECIR 2008).
    """
    if not len(label):
        return np.empty(0)
    order = np.lexsort((-score, group))
    group, score, label = group[order], score[order], label[order].astype(np.float64)
    opens_group = np.append(True, group[1:] != group[:-1])
    opens_tie = opens_group | np.append(True, score[1:] != score[:-1])
    starts = np.flatnonzero(opens_group)
    rank = np.arange(len(label)) - _spread(starts, opens_group)
    discount = np.where(rank < k, dcg_discount(rank), 0)
    ties = np.flatnonzero(opens_tie)
    gain = _spread(np.add.reduceat(label, ties) / np.diff(ties, append=len(label)), opens_tie)
    best = label[np.lexsort((-label, group))]
    found, possible = np.add.reduceat(gain * discount, starts), np.add.reduceat(best * discount, starts)
    return np.asarray(np.where(possible > 0, found / np.where(possible > 0, possible, 1), np.nan))


def _spread(values: np.ndarray, opens: np.ndarray) -> np.ndarray:
    """Repeat the value of each run of rows for all its rows; `opens` marks the first row of each run."""
    return values[np.cumsum(opens) - 1]
