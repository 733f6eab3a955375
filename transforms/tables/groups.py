"""Ranks within groups, the first rows of groups, blocks of users, and keys that sort as floats do."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import polars as pl


def rank_in_group(*group: str) -> pl.Expr:
    """Return the index of each row among the rows with equal `group` columns, from 0, in row order: Int32."""
    return pl.int_range(pl.len(), dtype=pl.Int32).over(group)


def first_of_groups(frame: pl.DataFrame, group: str, k: int | pl.Expr) -> pl.DataFrame:
    """Keep the first `k` rows of each group, in the order of the rows."""
    return frame.filter(rank_in_group(group) < k)


def top_k_of_groups(frame: pl.DataFrame, group: str, by: str, k: int | pl.Expr, *, tie: str) -> pl.DataFrame:
    """Keep the `k` rows with the largest `by` of each group, ties by `tie`; sorted by group, then by rank."""
    ordered = frame.sort(group, by, tie, descending=[False, True, False])
    return first_of_groups(ordered, group, k)


def rank_in_run(keys: np.ndarray) -> np.ndarray:
    """Return the index of each element in its run of equal keys, from 0: int64 [N].

    keys [N]    7 7 7 2 2 5
    rank [N]    0 1 2 0 1 0
    """
    is_first = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    starts = np.flatnonzero(is_first)
    return np.arange(len(keys)) - starts[np.cumsum(is_first) - 1]


def sorted_distinct(values: np.ndarray) -> np.ndarray:
    """Return the distinct values, ascending; np.unique() hashes integers, 50 times as long for a million."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def descending_bits(values: np.ndarray) -> np.ndarray:
    """Map float32 to uint32 that sort from the largest value to the smallest; 0.0 comes before -0.0."""
    bits = values.view(np.int32)
    ascending = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return ~(ascending.view(np.uint32) ^ np.uint32(0x80000000))


def values_of_bits(bits: np.ndarray) -> np.ndarray:
    """Invert descending_bits() for values that are not negative: uint32 -> float32."""
    return (np.uint32(0x7FFFFFFF) - bits).view(np.float32)


def blocks_of_users(frame: pl.DataFrame, max_users: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of at most `max_users` whole users at a time, in at least one block; rows are in order of user."""
    starts = np.flatnonzero(frame["user_id"].is_first_distinct().to_numpy())
    blocks = np.array_split(starts, max(1, -(-len(starts) // max_users)))
    for start, end in pairwise([*(int(block[0]) if len(block) else 0 for block in blocks), len(frame)]):
        yield frame[start:end]
