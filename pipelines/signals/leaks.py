"""The leak test: a regression discontinuity of what a column tells about the days before and after the cutoff.

The cutoff is a moment of our own choice: nothing in the world changes there. A value that was known at the cutoff tells
at least as much about the window before it as about the window after it. A column made from the label window tells
about that window alone.

    before: played in as many days before the cutoff       | cutoff |  after: listened to in the label window
    past correlation: correlation(column, before | after)  |        |  future correlation: the same of after | before

A lagged outcome as a negative control (Lipsitch et al., Epidemiology 2010), with the 99 % interval of the difference.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from models.metrics import auc
from pipelines.signals.dataset import LabelledCandidates
from transforms.evaluation.bootstrap import percentile_interval, replicate_weights
from transforms.tables.hashing import mix

_MAX_BINS, _KEYS_PER_BIN = 20, 50
# A value that this many keys share gets a bin of its own.
_MIN_SHARED = 20
# Wider than the intervals of gains: each column is tested at two moments, and an honest one must not be blamed.
_NUM_REPLICATES, _CONFIDENCE = 1000, 0.99
_BLOCK_SIZE = 8192
_PRIOR_KEYS = 20.0
# Columns of the moments in _compare(): a constant, both predictions and both outcomes.
_CONSTANT, _PREDICTED_AFTER, _PREDICTED_BEFORE, _AFTER, _BEFORE = range(5)
# By pairs of these columns: their sums of products, or their correlations; one value a replicate.
_Moments = Mapping[tuple[int, int], np.ndarray]


class Discontinuity(NamedTuple):
    """Partial correlations of a column with the windows after and before the cutoff.

    difference: the first less the second, with its 99 % interval.
    """

    future_correlation: float
    past_correlation: float
    difference: float
    low: float
    high: float


def measure_discontinuity(values: np.ndarray, rows: LabelledCandidates, code: np.ndarray) -> Discontinuity:
    """Return how much more a column [n] tells about the window after the cutoff than about the one before.

    Args:
        values: the column's value of each row [n], NaN where missing.
        rows: the candidates at one cutoff.
        code: the key of each row [n], from key_codes(): values are compared by key.
    """
    keys, index = np.unique(code, return_inverse=True)
    counts = np.bincount(index)
    shares = (np.bincount(index, outcome) / counts for outcome in (rows.listened, rows.played_before))
    # ranks, because a few users listen to as much as all others together
    after, before = (rankdata(share) / len(share) for share in shares)
    is_present = np.isfinite(values)
    num_present = np.bincount(index, is_present)
    sums = np.bincount(index, np.where(is_present, values, 0))
    mean = sums / np.where(num_present > 0, num_present, np.nan)
    half = mix(keys.astype(np.uint64)) % np.uint64(2) == 0
    bins = _bin_values(mean)
    cluster = rows.user if len(keys) == len(rows) else code
    first = np.unique(code, return_index=True)[1]
    predicted_after, predicted_before = (_predict_from_bins(bins, outcome, half) for outcome in (after, before))
    columns = np.stack([np.ones(len(after)), predicted_after, predicted_before, after, before])
    return _compare(columns, np.unique(cluster[first], return_inverse=True)[1])


def _bin_values(values: np.ndarray) -> np.ndarray:
    """Return the bin of each value [K]: bins of about equal mass, one for missing values and one for each common value.

    Values that many keys share get bins of their own, because a label that was copied into some of the rows is one.
    """
    present = values[np.isfinite(values)]
    if not len(present):
        return np.zeros(len(values), dtype=np.int64)
    num_bins = int(np.clip(len(present) // _KEYS_PER_BIN, 3, _MAX_BINS))
    edges = np.quantile(present, np.linspace(0, 1, num_bins + 1)[1:-1])
    shared, count = np.unique(present, return_counts=True)
    common = shared[np.argsort(-count)[:_MAX_BINS]][np.sort(count)[::-1][:_MAX_BINS] >= _MIN_SHARED]
    boundaries = np.unique(np.concatenate([edges, common, np.nextafter(common, np.inf)]))
    return np.where(np.isfinite(values), np.searchsorted(boundaries, values, side="right"), len(boundaries) + 1)


def _predict_from_bins(bins: np.ndarray, outcome: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return the shrunken mean outcome of each key's bin [K], less the mean of all, from the other half of the keys."""
    predicted = np.empty(len(bins))
    for side in (half, ~half):
        n = np.bincount(bins[~side], minlength=bins.max(initial=0) + 1)
        total = np.bincount(bins[~side], outcome[~side], minlength=len(n))
        mean = total.sum() / max(1, n.sum())
        predicted[side] = ((total - n * mean) / (n + _PRIOR_KEYS))[bins[side]]
    return predicted


def _compare(columns: np.ndarray, cluster: np.ndarray) -> Discontinuity:
    """Return both partial correlations of columns [5, K], with a Poisson bootstrap of their difference by cluster."""
    columns[1:] -= columns[1:].mean(axis=1, keepdims=True)
    pairs = [(i, j) for i in range(5) for j in range(i, 5)]
    sums = np.stack([np.bincount(cluster, columns[i] * columns[j]) for i, j in pairs], axis=1)
    starts = range(0, len(sums), _BLOCK_SIZE)
    blocks = (
        (sums[at : at + _BLOCK_SIZE], np.arange(at, min(at + _BLOCK_SIZE, len(sums)), dtype=np.uint64)) for at in starts
    )
    total = sum(part.T @ replicate_weights(numbers, _NUM_REPLICATES) for part, numbers in blocks)
    correlation = _correlations(dict(zip(pairs, np.asarray(total), strict=True)))
    both = correlation[_AFTER, _BEFORE]
    future = _partial_correlation(correlation[_PREDICTED_AFTER, _AFTER], correlation[_PREDICTED_AFTER, _BEFORE], both)
    past = _partial_correlation(correlation[_PREDICTED_BEFORE, _BEFORE], correlation[_PREDICTED_BEFORE, _AFTER], both)
    difference = future - past
    low, high = percentile_interval(difference[1:], _CONFIDENCE)
    return Discontinuity(float(future[0]), float(past[0]), float(difference[0]), low, high)


def _correlations(moments: _Moments) -> _Moments:
    """Return correlations from sums of products; 0 for a column without variance."""
    n = moments[_CONSTANT, _CONSTANT]
    covariance = {(i, j): moments[i, j] / n - moments[0, i] * moments[0, j] / n**2 for i, j in moments if i}
    deviation = {i: np.sqrt(np.maximum(covariance[i, i], 0)) for i in range(1, 5)}
    return {
        (i, j): np.divide(value, scale, out=np.zeros_like(value), where=scale > 1e-12)
        for (i, j), value in covariance.items()
        for scale in [deviation[i] * deviation[j]]
    }


def _partial_correlation(own: np.ndarray, other: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Return the correlation of a column with one outcome, given the other outcome."""
    return (own - other * both) / np.sqrt(np.maximum((1 - other**2) * (1 - both**2), 1e-12))


def key_codes(rows: LabelledCandidates, key: Sequence[str]) -> np.ndarray:
    """Return the key of each row as a number [n]."""
    if len(key) == 2:
        return np.arange(len(rows))
    return rows.user if "user_id" in key else rows.track


def univariate_auc(values: np.ndarray, rows: LabelledCandidates) -> float:
    """Return the AUC of listens predicted from the bins of one column [n] alone."""
    half = mix(rows.user.astype(np.uint64)) % np.uint64(2) == 0
    return auc(rows.listened, _predict_from_bins(_bin_values(values), rows.listened, half))
