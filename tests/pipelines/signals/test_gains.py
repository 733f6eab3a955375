"""Likelihood gains against plain sums."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.signals.gains import GainEvaluator
from tests.pipelines.signals.planted_dataset import HEADS, PlantedWorld
from transforms.features.rewards import REWARD_WEIGHTS


def test_a_gain_is_the_difference_of_likelihoods_over_the_explained_likelihood(planted_world: PlantedWorld) -> None:
    rows = planted_world.dataset.validation
    labels = rows.labels.copy()
    labels[::3, 1] = np.nan
    evaluator = GainEvaluator(replace(rows, labels=labels), by_tracks=True)
    ours, theirs = rows.log_odds + 0.1, rows.log_odds
    total, constant = 0.0, 0.0
    for head, name in enumerate(HEADS):
        settled = np.isfinite(labels[:, head])
        y = labels[settled, head]
        sure = [
            np.log(np.where(y > 0, p, 1 - p)) for p in (1 / (1 + np.exp(-x[settled, head])) for x in (ours, theirs))
        ]
        rate = y.mean()
        constant += abs(REWARD_WEIGHTS[name]) * (sure[1] - np.log(np.where(y > 0, rate, 1 - rate))).sum()
        total += abs(REWARD_WEIGHTS[name]) * (sure[0] - sure[1]).sum()
    nats = [evaluator.likelihoods(one) @ evaluator.weights for one in (ours, theirs)]
    explained = float(evaluator.explained(theirs) @ evaluator.weights)
    assert explained == pytest.approx(constant, rel=1e-4)
    gain = evaluator.likelihood_gain(*nats, explained)
    assert gain.value == pytest.approx(total / constant, rel=1e-4) and gain.low < gain.value < gain.high
    by_users = GainEvaluator(evaluator.rows, by_tracks=False).likelihood_gain(*nats, explained)
    assert gain.high - gain.low >= by_users.high - by_users.low
