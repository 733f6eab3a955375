"""Plackett-Luce shelves: frequencies against their probabilities."""

import numpy as np
import pytest

from pipelines.sample_world.impressions import draw_shelf


def test_shelves_are_drawn_with_their_propensities():
    score = np.array([1.0, 0.0, -1.0, -np.inf, 0.5])
    count = 40_000
    shelf, propensity = draw_shelf(np.random.default_rng(1), np.tile(score, (count, 1)), 2)
    weight = np.exp(score)
    total = 0.0
    for first in (0, 1, 2, 4):
        for second in {0, 1, 2, 4} - {first}:
            rows = (shelf == [first, second]).all(axis=1)
            p_first, p_second = weight[first] / weight.sum(), weight[second] / (weight.sum() - weight[first])
            assert propensity[rows] == pytest.approx(np.tile([p_first, p_second], (rows.sum(), 1)))
            assert rows.mean() == pytest.approx(p_first * p_second, abs=0.01)
            total += p_first * p_second
    assert total == pytest.approx(1)


def test_no_column_is_drawn_twice_and_impossible_ones_have_probability_0():
    score = np.array([[0.0, -np.inf, -np.inf], [-np.inf, 2.0, 1.0]])
    shelf, propensity = draw_shelf(np.random.default_rng(1), score, 3)
    assert (propensity > 0).sum(axis=1).tolist() == [1, 2]
    assert shelf[0, 0] == 0 and set(shelf[1, :2]) == {1, 2}
    assert propensity[0, 0] == 1
