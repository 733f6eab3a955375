"""Floors of homeshelf signal on the default sample world: leaks are flagged, what is useful is found, noise is not."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines.inputs.published import PublishedRun
from pipelines.signals.ablation import NUM_TREES, AblationFit, FeatureAblation
from pipelines.signals.command import measure_column
from pipelines.signals.dataset import SignalDataset, load_dataset
from pipelines.signals.gains import GainEvaluator
from pipelines.signals.leaks import key_codes, measure_discontinuity
from pipelines.signals.verdict import LEAKS, MAX_DISCONTINUITY, NO_EVIDENCE, SHIP, decide_verdict
from tests.planted_signals import KINDS, PAIR, column_of, sampled
from tests.runs import Published

# the benchmark has twenty seeds, and all kinds
SEEDS, USERS = 8, 120
# The benchmark's number of users, of whom 38 of 40 useful columns ship: of fewer it is chance whether 0.8 do.
ENOUGH_SEEDS, ENOUGH_USERS = 10, 250
ACCUMULATED = "plays so far and to come"


@pytest.fixture(scope="module")
def material(planted: Published) -> SignalDataset:
    return load_dataset(PublishedRun(str(planted.folder)), 10_000, 1).of_first()


@pytest.fixture(scope="module")
def world(planted: Published) -> str:
    return str(Path(planted.manifest["options"]["events"]).parent)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {ACCUMULATED}))
def test_leaks_jump_at_the_cutoff_and_nothing_else_does(material: SignalDataset, world: str, kind: str) -> None:
    # seen, of all users: leaks at least +.15, honest columns at most +.02
    for seed in range(SEEDS):
        part = sampled(material, USERS, seed)
        key, known, later = column_of(part, kind, world, seed)
        pairs = ((known, part.known), (later, part.later))
        low = max(measure_discontinuity(values, rows, key_codes(rows, key)).low for values, rows in pairs)
        # noise that is called a leak is rejected all the same
        assert KINDS[kind] == NO_EVIDENCE or (low > MAX_DISCONTINUITY) == (KINDS[kind] == LEAKS), (seed, low)


def verdicts(material: SignalDataset, world: str, kind: str, seeds: range, users: int = USERS) -> Iterator[str]:
    for seed in seeds:
        part = sampled(material, users, seed)
        trial = FeatureAblation(part, PAIR, 1, NUM_TREES)
        yield verdict_by(trial, kind, world, seed, trial.learn())


def verdict_by(trial: FeatureAblation, kind: str, world: str, seed: int, without: AblationFit) -> str:
    key, known, later = column_of(trial.material, kind, world, seed)
    assert key == PAIR
    judge = GainEvaluator(trial.material.later, trial.material.heads, by_tracks=False)
    return decide_verdict(measure_column(kind, (known, later, np.empty(0)), trial, judge, without, is_timed=True))


def test_what_is_useful_is_found(material: SignalDataset, world: str) -> None:
    found = list(verdicts(material, world, "loyalty to the artist", range(ENOUGH_SEEDS), ENOUGH_USERS))
    assert found.count(SHIP) >= 0.8 * ENOUGH_SEEDS, found


def test_noise_is_rejected(material: SignalDataset, world: str) -> None:
    found = list(verdicts(material, world, "noise by pair", range(SEEDS)))
    assert found.count(SHIP) <= 0.05 * SEEDS, found


def test_a_table_as_it_stood_at_the_end_is_out_of_all_proportion(material: SignalDataset, world: str) -> None:
    assert set(verdicts(material, world, ACCUMULATED, range(3))) == {LEAKS}
