"""Sets by chance: probabilities of inclusion are exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.now_playing.queues.draw_sets import draw_sets, inclusion_probabilities

weights = st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), min_size=1, max_size=30)


@given(st.lists(weights, min_size=1, max_size=4), st.integers(0, 40))
def test_probabilities_sum_to_the_size_and_rise_with_the_weight(rows: list[list[float]], size: int) -> None:
    width = max(len(row) for row in rows)
    weight = np.array([row + [0.0] * (width - len(row)) for row in rows])
    probability = inclusion_probabilities(weight, np.full(len(rows), size))
    assert (probability >= 0).all() and (probability <= 1 + 1e-9).all() and (probability[weight == 0] == 0).all()
    expected = np.minimum(size, (weight > 0).sum(axis=1))
    assert probability.sum(axis=1) == pytest.approx(expected, abs=1e-6)
    for row, chances in zip(weight, probability, strict=True):
        order = np.argsort(row, kind="stable")
        assert (np.diff(chances[order]) >= -1e-9).all()


def test_tracks_are_drawn_as_often_as_their_probabilities_say() -> None:
    weight = np.array([[5.0, 1.0, 1.0, 0.5, 0.0, 0.2, 3.0]])
    probability = inclusion_probabilities(weight, np.array([3]))
    uniform = np.random.default_rng(3).random(20_000)
    drawn = draw_sets(np.repeat(probability, len(uniform), axis=0), uniform)
    assert (drawn.sum(axis=1) == 3).all()
    assert drawn.mean(axis=0) == pytest.approx(probability[0], abs=0.015)


def test_a_small_pool_is_taken_whole() -> None:
    probability = inclusion_probabilities(np.array([[1.0, 9.0, 0.0]]), np.array([48]))
    assert probability.tolist() == [[1.0, 1.0, 0.0]]
    assert draw_sets(probability, np.array([0.0])).tolist() == [[True, True, False]]
