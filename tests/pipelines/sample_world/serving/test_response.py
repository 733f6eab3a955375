"""Attention falls with the place, looks tire, and habit follows joy; against plain loops where there is arithmetic."""

import numpy as np
import pytest

from pipelines.sample_world.serving.response import (
    FATIGUE_HALF_LIFE_DAYS,
    Response,
    draw_looks,
    draw_starts,
    habit_after,
    joy_of,
    no_fatigue,
)
from tests.pipelines.sample_world.serving.made_up_cards import pages

RESPONSE = Response()


def test_attention_falls_by_a_fixed_share_from_place_to_place() -> None:
    cards = pages(1)
    looks = draw_looks(np.random.default_rng(1), RESPONSE, cards, np.zeros(20_000, dtype=np.int64))
    seen = looks.is_seen.reshape(20_000, 3, 4).mean(axis=0)
    expected = RESPONSE.shelf_look ** np.arange(3)[:, None] * RESPONSE.card_look ** np.arange(4)
    assert seen == pytest.approx(expected, abs=0.015)


def test_every_request_shows_the_whole_page_of_its_user() -> None:
    cards, user = pages(3), np.array([2, 0, 2])
    looks = draw_looks(np.random.default_rng(1), RESPONSE, cards, user)
    assert looks.card.tolist() == [*range(24, 36), *range(12), *range(24, 36)]
    assert looks.request.tolist() == [number for number in range(3) for _ in range(12)]


def test_fatigue_is_the_faded_number_of_looks() -> None:
    rng, days = np.random.default_rng(1), 8
    fatigue, expected = no_fatigue(), np.zeros((3, 5))
    for _ in range(days):
        user, track = rng.integers(3, size=6), rng.integers(5, size=6)
        fatigue = fatigue.after(user, track)
        expected *= 0.5 ** (1 / FATIGUE_HALF_LIFE_DAYS)
        for one, other in zip(user, track, strict=True):
            expected[one, other] += 1
    found = fatigue.of(np.repeat(np.arange(3), 5), np.tile(np.arange(5), 3)).reshape(3, 5)
    assert found == pytest.approx(expected, abs=0.05)


def test_starts_rise_with_taste_and_knowledge_and_fall_with_fatigue() -> None:
    def share(liking: float, is_known: float, fatigue: float) -> float:
        values = (np.full(20_000, value) for value in (liking, is_known, fatigue))
        return float(draw_starts(np.random.default_rng(1), RESPONSE, *values).mean())

    assert share(0, 0, 3) < share(0, 0, 0) < share(0, 1, 0) < share(0.5, 1, 0)
    assert share(0, 0, 0) == pytest.approx(1 / (1 + np.exp(-RESPONSE.start)), abs=0.01)


def test_habit_rises_with_joy_falls_without_and_fades() -> None:
    joy = joy_of(RESPONSE, np.array([True, True, False]), np.array([False, True, True]))
    assert joy.tolist() == [1 + RESPONSE.novelty, 1, -RESPONSE.skip]
    after = habit_after(RESPONSE, np.full(4, 0.2), np.array([4.0, -4.0, 0.0, 1e9]), np.array([2, 2, 0, 1]))
    assert after[1] < after[2] < 0.2 < after[0] < after[3] == 1.0
