"""Ranks within groups and sort keys, against plain loops."""

import itertools
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.tables.groups import (
    descending_bits,
    first_of_groups,
    rank_in_group,
    rank_in_run,
    sorted_distinct,
    top_k_of_groups,
    values_of_bits,
)

KEYS = st.lists(st.integers(0, 3), max_size=20)
FLOATS = st.lists(st.floats(width=32, allow_nan=False), max_size=20)


def slow_ranks(keys: list[int]) -> list[int]:
    seen: Counter[int] = Counter()
    ranks = []
    for key in keys:
        ranks.append(seen[key])
        seen[key] += 1
    return ranks


@given(KEYS)
def test_rank_in_group_counts_the_rows_before_of_the_same_group(keys: list[int]) -> None:
    frame = pl.DataFrame({"key": keys}, schema={"key": pl.Int64})
    assert frame.select(rank_in_group("key")).to_series().to_list() == slow_ranks(keys)
    ranks = frame.with_columns(other="key").select(rank_in_group("key", "other")).to_series()
    assert ranks.to_list() == slow_ranks(keys) and ranks.dtype == pl.Int32


@given(KEYS)
def test_rank_in_run_counts_within_runs_of_equal_keys(keys: list[int]) -> None:
    expected = [rank for _, run in itertools.groupby(keys) for rank, _ in enumerate(run)]
    assert rank_in_run(np.array(keys, dtype=np.int64)).tolist() == expected


@given(KEYS)
def test_distinct_values_are_sorted(keys: list[int]) -> None:
    assert sorted_distinct(np.array(keys, dtype=np.int64)).tolist() == sorted(set(keys))


@pytest.mark.parametrize("k", [0, 1, 2])
def test_the_top_of_groups_has_ties_in_order(k: int) -> None:
    rows = {"user": ["b", "a", "a", "a", "b"], "track": [3, 2, 1, 0, 4], "score": [1.0, 2.0, 2.0, 3.0, 9.0]}
    frame = pl.DataFrame(rows)
    expected = [("a", 0, 3.0), ("a", 1, 2.0), ("a", 2, 2.0)][:k] + [("b", 4, 9.0), ("b", 3, 1.0)][:k]
    assert top_k_of_groups(frame, "user", "score", k, tie="track").rows() == expected


def test_the_first_of_groups_may_be_of_another_number_in_each() -> None:
    frame = pl.DataFrame({"user": ["a", "a", "b", "b", "b"], "k": [1, 1, 2, 2, 2], "n": range(5)})
    assert first_of_groups(frame, "user", pl.col("k"))["n"].to_list() == [0, 2, 3]


@given(FLOATS)
def test_descending_bits_sort_as_floats_do(values: list[float]) -> None:
    floats = np.array(values, dtype=np.float32)
    bits = descending_bits(floats)
    expected = sorted(values, key=lambda value: (-value, np.signbit(value)))
    assert floats[np.argsort(bits, kind="stable")].tolist() == expected


@given(st.lists(st.floats(0, width=32), max_size=20))
def test_values_of_bits_inverts_descending_bits(values: list[float]) -> None:
    floats = np.abs(np.array(values, dtype=np.float32))
    assert np.array_equal(values_of_bits(descending_bits(floats)), floats)
