"""The leak test on planted columns."""

import numpy as np
import pytest

from pipelines.signals.leaks import Discontinuity, measure_discontinuity
from pipelines.signals.verdict import MAX_DISCONTINUITY
from tests.pipelines.signals.planted_dataset import PAIR, TRACK, USER, PlantedWorld, plant_world


@pytest.mark.parametrize("seed", range(20))
def test_every_leak_changes_at_the_cutoff_and_no_honest_column_does(seed: int) -> None:
    world = plant_world(seed, num_users=150)
    train, validation = world.dataset.train, world.dataset.validation
    codes = {PAIR: np.arange(len(validation)), USER: validation.user, TRACK: validation.track}
    for kind in ("taste", "taste, half noise", "mood", "charm", "pair noise", "user noise", "track noise"):
        key, *columns = world.column(kind, seed)
        for values, rows in zip(columns, (train, validation), strict=True):
            assert measure_discontinuity(values, rows, codes[key]).low <= MAX_DISCONTINUITY, kind
    for kind in (
        "copy of the label",
        "label under noise",
        "label of a tenth",
        "taste, and the label of a tenth",
        "snapshot of the last week",
        "listens of the user to come",
        "listens of the track to come",
    ):
        key, _, values = world.column(kind, seed)
        assert measure_discontinuity(values, validation, codes[key]).low > MAX_DISCONTINUITY, kind


def test_copies_of_the_outcomes_have_the_correlations_of_their_windows(planted_world: PlantedWorld) -> None:
    rows = planted_world.dataset.validation
    past = measure_discontinuity(rows.played_before, rows, np.arange(len(rows)))
    assert past.past_correlation > 0.95 and past.high < -0.5
    future = measure_discontinuity(rows.labels[:, 0].astype(float), rows, np.arange(len(rows)))
    assert future.future_correlation > 0.95 and future.low > 0.5
    nothing = measure_discontinuity(np.full(len(rows), np.nan), rows, np.arange(len(rows)))
    assert nothing == Discontinuity(0, 0, 0, 0, 0)
    # a category has no order: the value of listened rows lies between the others
    middle = np.where(rows.labels[:, 0] > 0, 5.0, np.random.default_rng(1).choice([1.0, 9.0], len(rows)))
    assert measure_discontinuity(middle, rows, np.arange(len(rows))).low > 0.5
