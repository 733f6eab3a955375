"""Poisson bootstrap: intervals of any mean, and of any difference of means, from sums that buckets can add up.

In each replicate a user counts Poisson(1) times (Chamandy et al., Estimating Uncertainty for Massive Data Streams,
Google 2012). The counts are a function of the seed and the user's id alone: the same in every bucket, at every cutoff
and for every system. So sums of different systems may be subtracted replicate by replicate, which gives the interval of
their *paired* difference, and sums of different cutoffs added, which treats a user as one cluster.
"""

import numpy as np

from transforms.tables.hashing import mix

# Values are summed as integers, exactly. A block's sums stay below 2^53, up to where float64 is exact too.
FIXED_POINT = 2**20
MAX_BLOCK_USERS = 8192
# Poisson(1) by 16 random bits: its distribution function, rounded to 2^-16.
_LARGEST = 8
_CDF = np.cumsum(np.exp(-1.0) / np.cumprod(np.append(1.0, np.arange(1.0, _LARGEST))))
_COUNT = np.searchsorted(_CDF, (np.arange(2**16) + 0.5) / 2**16, side="left").astype(np.float64)


def replicate_weights(keys: np.ndarray, num_replicates: int) -> np.ndarray:
    """Draw how often each user counts: float64 [U, 1 + R] from uint64 [U]; the first column is the sample: ones."""
    words = np.arange(-(-num_replicates // 4), dtype=np.uint64)
    bits = mix(keys[:, None] ^ mix(words)[None, :]).view(np.uint16)[:, :num_replicates]
    return np.concatenate([np.ones((len(keys), 1)), _COUNT[bits]], axis=1)


def sum_replicates(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum values [U, M] with the users' weights [U, 1 + R]: int64 [M, 1 + R], in units of 1/UNIT, exact.

    Raises:
        ValueError: a value is not finite, or more users than a block may have: the sums might not be exact.
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
