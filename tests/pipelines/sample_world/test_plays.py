"""The vectorised parts of the sample world beside plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sample_world.impressions import draw_shelf
from pipelines.sample_world.plays import find_roots
from pipelines.sample_world.profile import SESSION_LENGTH_MINUTES, SESSION_PAUSE_MS, Quantiles
from pipelines.sample_world.sessions import Sessions, push_apart


@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_roots_are_those_of_walking_up(steps):
    parent = [max(0, node - step % (node + 1)) for node, step in enumerate(steps)]
    expected = []
    for node in range(len(parent)):
        while parent[node] != node:
            node = parent[node]
        expected.append(node)
    assert find_roots(np.array(parent, dtype=np.int64)).tolist() == expected


def test_sessions_are_pushed_apart_no_further_than_needed():
    random = np.random.default_rng(7)
    user = np.sort(random.integers(0, 5, 200))
    start = 1_700_000_000_000 + random.integers(0, 40 * 3_600_000, 200)
    start = start[np.lexsort((start, user))]
    duration = random.integers(1, 3_600_000, 200)
    pushed = push_apart(Sessions(user, start, np.ones(200, dtype=np.int64)), duration, np.random.default_rng(1))
    assert (pushed >= start).all()
    for i in range(200):
        if i == 0 or user[i - 1] != user[i]:
            assert pushed[i] == start[i]
        else:
            pause = pushed[i] - pushed[i - 1] - duration[i - 1]
            assert pause > SESSION_PAUSE_MS
            assert pushed[i] == start[i] or pause < 5 * 3_600_000


def test_shelves_come_as_often_as_their_probability_says():
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


def test_nothing_is_shown_twice_and_what_cannot_be_shown_has_probability_0():
    score = np.array([[0.0, -np.inf, -np.inf], [-np.inf, 2.0, 1.0]])
    shelf, propensity = draw_shelf(np.random.default_rng(1), score, 3)
    assert (propensity > 0).sum(axis=1).tolist() == [1, 2]
    assert shelf[0, 0] == 0 and set(shelf[1, :2]) == {1, 2}
    assert propensity[0, 0] == 1


def test_quantiles_are_met_and_inverted():
    quantiles = Quantiles((0.0, 0.5, 1.0), (0, 10, 1000))
    assert quantiles.at(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 10, 1000])
    share = np.linspace(0.05, 0.95, 19)
    assert SESSION_LENGTH_MINUTES.share_below(SESSION_LENGTH_MINUTES.at(share)) == pytest.approx(share)
