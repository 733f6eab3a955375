"""Counts of pages and histograms beside slow plain references."""

import math
from collections import Counter

import numpy as np
import polars as pl
import pytest

from transforms.publishing.run_metrics import count_pages, page_tracks, sample_values
from transforms.tables.columns import to_frame, to_table
from transforms.tables.counts import COUNTS, sum_counts
from transforms.tables.histograms import (
    HISTOGRAM,
    count_values,
    histogram_mapping,
    stability_index,
    stability_indexes,
    sum_histograms,
)
from transforms.tables.schemas import PAGES


def test_bins_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    values = [0.0, -3.0, 1e9, float("nan"), float("inf"), *rng.normal(size=500).tolist()]
    frame = pl.DataFrame({"a": values, "b": values[::-1]}, schema={"a": pl.Float32, "b": pl.Float32})
    counted = histogram_mapping(count_values(frame, names=["a", "b"]))
    expected = Counter(math.floor(8 * math.asinh(100 * float(np.float32(v)))) for v in values if math.isfinite(v))
    assert counted["a"] == counted["b"] == {str(b): n for b, n in sorted(expected.items())}


def test_histograms_of_parts_add_up() -> None:
    frame = pl.DataFrame({"user_id": [f"u{n % 40}" for n in range(2000)], "a": np.linspace(-5, 5, 2000)})
    whole = sample_values(frame, names=["a"], share=0.5, seed=3)
    users = frame["user_id"].unique(maintain_order=True)
    parts = [frame.filter(pl.col("user_id").is_in(users[n::3].implode())) for n in range(3)]
    added = sum_histograms(pl.concat(sample_values(part, names=["a"], share=0.5, seed=3) for part in parts))
    assert histogram_mapping(added) == histogram_mapping(whole)
    assert 0 < sum(histogram_mapping(whole)["a"].values()) < 2000
    assert to_frame(to_table(added, HISTOGRAM)).equals(added)


def test_pages_are_counted() -> None:
    def shelf(shelf_id: str, *tracks: str) -> dict[str, object]:
        return {"shelf_id": shelf_id, "tracks": [{"track_id": track} for track in tracks]}

    pages = PAGES.frame(
        [
            {
                "user_id": "a",
                "shelves": [shelf("fresh", "t1", "t2"), shelf("mix", "t3"), shelf("mix", "t1")],
            },
            {"user_id": "a", "shelves": []},
            {"user_id": "b", "shelves": [shelf("fresh", "t4")]},
            {"user_id": "c", "shelves": []},
            {"user_id": "d", "shelves": None},
        ]
    )
    expected = {
        "pages": 5, "empty_pages": 3, "users_with_page": 4,
        "shelves/fresh": 2, "shelves/mix": 2, "tracks/fresh": 3, "tracks/mix": 2,
    }  # fmt: skip
    assert dict(count_pages(pages).rows()) == expected
    halves = pl.concat([count_pages(pages[:2]), count_pages(pages[2:])])
    assert dict(to_frame(to_table(sum_counts(halves), COUNTS)).rows()) == expected  # type: ignore[arg-type]
    assert set(page_tracks(pages)["track_id"]) == {"t1", "t2", "t3", "t4"}
    assert dict(count_pages(PAGES.frame()).rows()) == {"pages": 0, "empty_pages": 0, "users_with_page": 0}


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
