"""Histograms against a plain loop, and their stability index against the textbook's sum."""

import math
from collections import Counter

import numpy as np
import polars as pl
import pytest

from transforms.tables.histograms import (
    bin_start,
    count_values,
    histogram_mapping,
    stability_index,
    stability_indexes,
)


def test_bins_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    values = [0.0, -3.0, 1e9, float("nan"), float("inf"), *rng.normal(size=500).tolist()]
    frame = pl.DataFrame({"a": values, "b": values[::-1]}, schema={"a": pl.Float32, "b": pl.Float32})
    counted = histogram_mapping(count_values(frame, names=["a", "b"]))
    expected = Counter(math.floor(8 * math.asinh(100 * float(np.float32(v)))) for v in values if math.isfinite(v))
    assert counted["a"] == counted["b"] == {str(b): n for b, n in sorted(expected.items())}


@pytest.mark.parametrize("value", [-70.0, -0.001, 0.0, 0.3, 1.0, 12345.0])
def test_a_value_lies_between_the_starts_of_its_bin_and_the_next(value: float) -> None:
    (number,) = map(int, histogram_mapping(count_values(pl.DataFrame({"x": [value]}), names=["x"]))["x"])
    assert bin_start(number) <= value < bin_start(number + 1)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 0.0, 0.01), (0.3, 0.05, 0.25), (2.0, 1.0, 20.0)])
def test_the_stability_index_grows_with_the_shift(shift: float, least: float, most: float) -> None:
    rng = np.random.default_rng(1)
    one, other = (
        histogram_mapping(count_values(pl.DataFrame({"x": rng.normal(size=20_000) + move}), names=["x"]))
        for move in (0, shift)
    )
    assert least <= stability_indexes(one, other)["x"] <= most


def test_the_stability_index_is_the_textbook_sum() -> None:
    reference, found = {"1": 300, "4": 500, "9": 200}, {"1": 200, "4": 500, "9": 300}
    p, q = ([(n + 0.5) / (1000 + 1.5) for n in counts.values()] for counts in (reference, found))
    expected = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert stability_index(reference, found) == pytest.approx(expected)
    assert stability_index({"5": 100}, {"4": 100}) > 5, "a constant that became another"
    assert stability_index(reference, {}) == stability_index({}, found) == 0.0


def test_the_worst_feature_comes_first() -> None:
    found = stability_indexes(
        {"a": {"1": 10, "2": 90}, "b": {"1": 50}, "gone": {"1": 1}}, {"a": {"1": 90}, "b": {"1": 50}, "new": {}}
    )
    assert list(found) == ["a", "b"] and found["b"] == 0.0
