"""Boosting on planted examples, and bootstrap intervals against their formulas."""

from functools import partial

import numpy as np
import pytest

from models.metrics import auc
from pipelines.ranker_study.boosting import (
    BoostingSplit,
    ExampleArrays,
    fit_best_size,
    fit_classifier,
    fit_ranking,
    mean_interval,
    ratio_interval,
)


def test_a_ratio_has_the_interval_of_the_delta_method() -> None:
    rng = np.random.default_rng(3)
    theirs = rng.gamma(2.0, 1.0, 3_000)
    ours = np.append(1.2 * theirs + rng.normal(0, 0.5, 3_000), [np.nan, 5.0])
    ratio, low, high = ratio_interval(ours, np.append(theirs, [1.0, np.nan]))
    assert ratio == pytest.approx(ours[:-2].mean() / theirs.mean()) and low < ratio < high
    spread = np.std(ours[:-2] - ratio * theirs) / theirs.mean() / np.sqrt(3_000)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_a_mean_has_the_interval_of_its_standard_error() -> None:
    values = np.random.default_rng(2).normal(0.3, 1.0, 4_000)
    mean, low, high = mean_interval(np.append(values, np.nan))
    assert mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(4_000), rel=0.1) and low < mean < high


def test_boosting_finds_an_interaction_of_two_features() -> None:
    rng = np.random.default_rng(1)
    dense = rng.normal(size=(12_000, 3)).astype(np.float32)
    probability = np.where(dense[:, 0] * dense[:, 1] > 0, 0.5, 0.05)
    labels = (rng.random(12_000) < probability).astype(np.float32)[:, None]
    labels[rng.random(12_000) < 0.1] = np.nan
    users = np.repeat(np.arange(400, dtype=np.int32), 30)
    rows = ExampleArrays(("listened",), dense, labels, np.nan_to_num(labels[:, 0]), users)
    parts = [rows.select(rows.group % 3 == rest) for rest in range(3)]
    assert all((part.sizes == 30).all() and len(part.sizes) in (133, 134) for part in parts)
    settled = np.isfinite(parts[2].labels[:, 0])
    split = BoostingSplit(*parts, num_threads=1)
    for fit in (partial(fit_classifier, split, 0), partial(fit_ranking, split)):
        scores, seconds = fit_best_size(fit)
        assert auc(parts[2].labels[settled, 0], scores[settled]) > 0.7 and seconds > 0
