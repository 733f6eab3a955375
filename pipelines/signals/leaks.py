"""The leak test: does a column know the days after the cutoff better than the days before it?

The cutoff is a moment that we chose: nothing in the world jumps there. What was known at the cutoff tells of the window
before it at least as well as of the one after; a column that was made of the label window tells of that one alone.

    before: played in as many days before the cutoff  | cutoff |  after: listened to in the label window
    hindsight: correlation(column, before | after) |     |  foresight: correlation(column, after | before)

A lagged outcome as negative control (Lipsitch et al., Epidemiology 2010), with the 99 % interval of the difference.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from models.metrics import auc
from pipelines.signals.dataset import LabelledCandidates
from transforms.evaluation.bootstrap import percentile_interval, replicate_weights
from transforms.tables.hashing import mix

BINS, KEYS_PER_BIN, FEWEST_SHARED = 20, 50, 20
# wider than those of gains: every column is held to it at both moments, and an honest one must not be blamed
REPLICATES, CONFIDENCE = 1000, 0.99
BLOCK = 8192
PRIOR_KEYS = 20.0


class Discontinuity(NamedTuple):
    """Partial correlations of what a column says with both windows; their difference with its 99 % interval."""

    future_rise: float
    hindsight: float
    value: float
    low: float
    high: float


def measure_discontinuity(values: np.ndarray, rows: LabelledCandidates, code: np.ndarray) -> Discontinuity:
    """Foresight less hindsight of a column's values [n]; `code` [n]: the key of each row, the unit that is compared."""
    keys, place = np.unique(code, return_inverse=True)
    counts = np.bincount(place)
    shares = (np.bincount(place, y) / counts for y in (np.nan_to_num(rows.labels[:, 0]), rows.played_before))
    # by ranks: a few users listen to as much as all others
    after, before = (rankdata(share) / len(share) for share in shares)
    is_known = np.isfinite(values)
    known = np.bincount(place, is_known)
    mean = np.bincount(place, np.where(is_known, values, 0)) / np.where(known > 0, known, np.nan)
    half = mix(keys.astype(np.uint64)) % np.uint64(2) == 0
    bins = _bins(mean)
    cluster = rows.user if len(keys) == len(rows) else code
    first = np.unique(code, return_index=True)[1]
    of_after, of_before = (_said(bins, y, half) for y in (after, before))
    return _compared(of_after, of_before, after, before, np.unique(cluster[first], return_inverse=True)[1])


def _bins(values: np.ndarray) -> np.ndarray:
    """Bins of about equal mass; what is missing has one of its own, and so has each value that many keys share.

    A label that was copied into some of the rows is a value that many share.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), dtype=np.int64)
    num_bins = int(np.clip(len(known) // KEYS_PER_BIN, 3, BINS))
    edges = np.quantile(known, np.linspace(0, 1, num_bins + 1)[1:-1])
    shared, count = np.unique(known, return_counts=True)
    common = shared[np.argsort(-count)[:BINS]][np.sort(count)[::-1][:BINS] >= FEWEST_SHARED]
    cuts = np.unique(np.concatenate([edges, common, np.nextafter(common, np.inf)]))
    return np.where(np.isfinite(values), np.searchsorted(cuts, values, side="right"), len(cuts) + 1)


def _said(bins: np.ndarray, outcome: np.ndarray, half: np.ndarray) -> np.ndarray:
    """What each bin says of an outcome: by how much its mean in the other half of the keys is above theirs."""
    found = np.empty(len(bins))
    for side in (half, ~half):
        n = np.bincount(bins[~side], minlength=bins.max(initial=0) + 1)
        total = np.bincount(bins[~side], outcome[~side], minlength=len(n))
        mean = total.sum() / max(1, n.sum())
        found[side] = ((total - n * mean) / (n + PRIOR_KEYS))[bins[side]]
    return found


def _compared(
    of_after: np.ndarray, of_before: np.ndarray, after: np.ndarray, before: np.ndarray, cluster: np.ndarray
) -> Discontinuity:
    """Both partial correlations and the interval of their difference, by clusters that count Poisson(1) times."""
    columns = np.stack([np.ones(len(after)), of_after, of_before, after, before])
    columns[1:] -= columns[1:].mean(axis=1, keepdims=True)
    pairs = [(i, j) for i in range(5) for j in range(i, 5)]
    sums = np.stack([np.bincount(cluster, columns[i] * columns[j]) for i, j in pairs], axis=1)
    starts = range(0, len(sums), BLOCK)
    blocks = ((sums[at : at + BLOCK], np.arange(at, min(at + BLOCK, len(sums)), dtype=np.uint64)) for at in starts)
    total = sum(part.T @ replicate_weights(numbers, REPLICATES) for part, numbers in blocks)
    moments = dict(zip(pairs, np.asarray(total), strict=True))
    correlation = _correlations(moments)
    future_rise = _partial(correlation[1, 3], correlation[1, 4], correlation[3, 4])
    hindsight = _partial(correlation[2, 4], correlation[2, 3], correlation[3, 4])
    difference = future_rise - hindsight
    return Discontinuity(
        float(future_rise[0]),
        float(hindsight[0]),
        float(difference[0]),
        *percentile_interval(difference[1:], CONFIDENCE),
    )


def _correlations(moments: dict[tuple[int, int], np.ndarray]) -> dict[tuple[int, int], np.ndarray]:
    n = moments[0, 0]
    covariance = {(i, j): moments[i, j] / n - moments[0, i] * moments[0, j] / n**2 for i, j in moments if i}
    deviation = {i: np.sqrt(np.maximum(covariance[i, i], 0)) for i in range(1, 5)}
    return {
        (i, j): np.divide(value, scale, out=np.zeros_like(value), where=scale > 1e-12)
        for (i, j), value in covariance.items()
        for scale in [deviation[i] * deviation[j]]
    }


def _partial(own: np.ndarray, other: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Correlation with one window where the other is given."""
    return (own - other * both) / np.sqrt(np.maximum((1 - other**2) * (1 - both**2), 1e-12))


def key_codes(rows: LabelledCandidates, key: Sequence[str]) -> np.ndarray:
    """The key of each row as a number."""
    if len(key) == 2:
        return np.arange(len(rows))
    return rows.user if "user_id" in key else rows.track


def univariate_auc(values: np.ndarray, rows: LabelledCandidates) -> float:
    """AUC of listens by what the bins of a column say of them, whichever way it goes."""
    bins = _bins(values)
    half = mix(rows.user.astype(np.uint64)) % np.uint64(2) == 0
    listened = np.nan_to_num(rows.labels[:, 0])
    return auc(listened, _said(bins, listened, half))
