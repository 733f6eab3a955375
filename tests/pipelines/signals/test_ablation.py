"""Folds, placebos and boosters of the feature ablation."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.signals.ablation import FeatureAblation
from pipelines.signals.dataset import SignalDataset
from tests.pipelines.signals.planted_dataset import PAIR, TRACK, USER, PlantedWorld


def test_no_key_is_predicted_by_boosters_trained_on_it(planted_world: PlantedWorld) -> None:
    for key, name in ((PAIR, "user_id"), (USER, "user_id"), (TRACK, "track_id")):
        ablation = FeatureAblation(planted_world.dataset, key, num_threads=1)
        train, validation = (
            ablation.folds(rows) for rows in (planted_world.dataset.train, planted_world.dataset.validation)
        )
        ids = [rows.keys[name].to_numpy() for rows in (planted_world.dataset.train, planted_world.dataset.validation)]
        assert not set(ids[0][train == 0]) & set(ids[1][validation == 1])
        assert 0.4 < train.mean() < 0.6


@pytest.mark.parametrize("key", [PAIR, USER, TRACK])
def test_a_placebo_has_the_values_of_its_segment(planted_world: PlantedWorld, key: tuple[str, ...]) -> None:
    rows = planted_world.dataset.validation
    code = np.arange(len(rows)) if key == PAIR else rows.user if key == USER else rows.track
    values = np.random.default_rng(2).standard_normal(len(code))[code]
    values[code % 10 == 3] = np.nan
    placebo = FeatureAblation(planted_world.dataset, key, num_threads=1).placebo(values, rows, 5)
    assert np.nanmean(np.abs(placebo - values)) > 0.5
    # one value per key, and the same values overall
    _, first = np.unique(code, return_index=True)
    np.testing.assert_array_equal(placebo, placebo[first][np.unique(code, return_inverse=True)[1]])
    np.testing.assert_array_equal(np.sort(placebo[first]), np.sort(values[first]))
    if key == PAIR:
        for user in range(3):
            is_user = rows.user == user
            np.testing.assert_array_equal(np.sort(placebo[is_user]), np.sort(values[is_user]))


def test_the_same_values_give_the_same_fit(planted_world: PlantedWorld) -> None:
    _, train, validation = planted_world.column("taste", 1)
    first, again = (
        FeatureAblation(planted_world.dataset, PAIR, num_threads=1).fit(train, validation).log_odds for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)


def test_a_reward_that_no_example_earned_keeps_the_predictions_of_the_ranker(planted_world: PlantedWorld) -> None:
    labels = planted_world.dataset.train.labels.copy()
    labels[:, 1] = 0
    dataset = SignalDataset(
        replace(planted_world.dataset.train, labels=labels),
        planted_world.dataset.validation,
        planted_world.dataset.scored,
    )
    log_odds = FeatureAblation(dataset, PAIR, num_threads=1).fit().log_odds
    np.testing.assert_array_equal(log_odds[:, 1], dataset.validation.log_odds[:, 1])
    assert not np.array_equal(log_odds[:, 0], dataset.validation.log_odds[:, 0])
