"""Ranks and shares against a sort, and the mixture against planted weights."""

import numpy as np
import pytest

from models.next_track.contract import Cases
from models.next_track.mixture import NUM_CONTEXTS, contexts, fit_mixture, mix_scores
from models.next_track.ranks import places, rank_targets
from tests.models.next_track.random_logs import random_log


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_those_of_a_sort(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (20, 9)).astype(np.float32)
    scores[0] = 0
    popularity, target = rng.integers(0, 3, 9), rng.integers(0, 9, 20)
    found = rank_targets(scores, target, places(popularity))
    for row, track in enumerate(target):
        order = sorted(range(9), key=lambda one: (-scores[row, one], -popularity[one], one))
        assert found.rank[row] == order.index(track)
        assert found.share[row] == pytest.approx(scores[row, track] / max(scores[row].sum(), 1e-9))


def test_the_mixture_finds_planted_weights_and_keeps_rare_contexts_near_all() -> None:
    rng = np.random.default_rng(1)
    planted, size = np.array([0.7, 0.1, 0.2]), 20_000
    # each system is sure of one of many tracks; the play comes from a system drawn by the planted weights
    drawn = rng.choice(3, size, p=planted)
    shares = np.full((size, 3), 0.001)
    shares[np.arange(size), drawn] = 0.9
    context = np.where(np.arange(size) < 3, 4, 7)
    weights = fit_mixture(shares, context)
    assert weights.shape == (NUM_CONTEXTS, 3) and weights.sum(axis=1) == pytest.approx(np.ones(NUM_CONTEXTS))
    assert weights[7] == pytest.approx(planted, abs=0.02)
    assert weights[4] == pytest.approx(planted, abs=0.1) and weights[0] == pytest.approx(planted, abs=0.02)


def test_a_mixture_is_a_weighted_mean_of_shares() -> None:
    scores = [np.array([[2.0, 2.0], [0.0, 0.0]], np.float32), np.array([[0.0, 5.0], [1.0, 3.0]], np.float32)]
    weights = np.array([[0.5, 0.5], [0.2, 0.8]])
    found = mix_scores(scores, weights, np.array([1, 0]))
    np.testing.assert_allclose(found, [[0.1, 0.1 + 0.8], [0.125, 0.375]], rtol=1e-6)


def test_contexts_tell_first_plays_and_lengths_of_history() -> None:
    log = random_log(1, num_plays=150, num_users=1)
    found = contexts(Cases(log, np.arange(len(log))))
    first = np.diff(log.session, prepend=-1) != 0
    assert found[0] == 0 and ((found < NUM_CONTEXTS // 2) == first).all()
    in_session = found[~first] - NUM_CONTEXTS // 2
    assert (np.diff(in_session) >= 0).all() and set(in_session) == {1, 2, 3}
