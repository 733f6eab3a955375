"""Poisson bootstrap: intervals of means and of differences of means, from sums that buckets can add up.

In each replicate a user counts Poisson(1) times (Chamandy et al., Estimating Uncertainty for Massive Data Streams,
Google 2012). The counts depend only on the seed and the user's id: they are the same in every bucket, at every cutoff
and for every system. So sums of different systems may be subtracted replicate by replicate, which gives the interval of
their *paired* difference, and sums of different cutoffs added, which treats a user as one cluster.
"""

from dataclasses import dataclass

import numpy as np

from transforms.tables.hashing import mix

# Values are summed as integers of this fraction. The sums of a block must stay below 2^53, where float64 is exact: the
# largest values are log losses of 500 candidates.
FIXED_POINT = 2**20
MAX_BLOCK_USERS = 8192
_MAX_VALUE = 16 * 512
# A user is drawn less than 8 times. The distribution function of Poisson(1) is rounded to 2^-16, for 16 random bits.
_MAX_COUNT = 8
assert FIXED_POINT * _MAX_VALUE * MAX_BLOCK_USERS * _MAX_COUNT <= 2**53
_CDF = np.cumsum(np.exp(-1.0) / np.cumprod(np.append(1.0, np.arange(1.0, _MAX_COUNT))))
_COUNT = np.searchsorted(_CDF, (np.arange(2**16) + 0.5) / 2**16, side="left").astype(np.float64)


def replicate_weights(keys: np.ndarray, num_replicates: int) -> np.ndarray:
    """Draw the weight of each user in each replicate: float64 [U, 1 + R] from uint64 [U]; the first column is ones."""
    words = np.arange(-(-num_replicates // 4), dtype=np.uint64)
    bits = mix(keys[:, None] ^ mix(words)[None, :]).view(np.uint16)[:, :num_replicates]
    return np.concatenate([np.ones((len(keys), 1)), _COUNT[bits]], axis=1)


def sum_replicates(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum values [U, M] with the users' weights [U, 1 + R]: int64 [M, 1 + R], exact, in units of 1 / FIXED_POINT.

    Raises:
        ValueError: a value is not finite, or there are more users than in a block: the sums might not be exact.
    """
    if not np.isfinite(values).all():
        raise ValueError(f"not finite in columns {np.flatnonzero(~np.isfinite(values).all(axis=0)).tolist()}")
    if len(weights) > MAX_BLOCK_USERS:
        raise ValueError(f"{len(weights)} users in a block of at most {MAX_BLOCK_USERS}")
    return (np.rint(values * FIXED_POINT).T @ weights).astype(np.int64)


def percentile_interval(replicates: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of the replicates [R] (NaN: one of them is not a number)."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(replicates, [tail, 100 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class ComparedValue:
    """A mean with its interval, and its difference from that of another system with the interval of the difference."""

    value: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float

    @property
    def verdict(self) -> str:
        """Return better or worse than the other system, or none: the interval of the difference holds 0."""
        return verdict_of(self.difference_low, self.difference_high)


def verdict_of(low: float, high: float) -> str:
    """Return better or worse by the interval of a difference, or none: it holds 0."""
    return "better" if low > 0 else "worse" if high < 0 else "none"
