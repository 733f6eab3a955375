"""What homeshelf signal finds of planted columns, and the parts that it finds it with."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.signals.ablation import NUM_TREES, FeatureAblation
from pipelines.signals.command import measure_column
from pipelines.signals.gains import Gain, GainEvaluator
from pipelines.signals.leaks import Discontinuity, measure_discontinuity
from pipelines.signals.verdict import MAX_DISCONTINUITY, ColumnFindings, decide_verdict, explain_verdict, list_cautions
from tests.pipelines.signals.planted_dataset import HEADS, PAIR, TRACK, USER, Planted, plant
from transforms.features.rewards import REWARD_WEIGHTS


@pytest.fixture(scope="module")
def world() -> Planted:
    return plant(1)


def found_of(world: Planted, kind: str, seed: int = 1) -> ColumnFindings:
    key, known, later = world.column(kind, seed)
    trial = FeatureAblation(world.material, key, 1, NUM_TREES)
    judge = GainEvaluator(world.material.later, world.material.heads, by_tracks="user_id" not in key)
    return measure_column(kind, (known, later, later), trial, judge, trial.learn(), is_timed=True)


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("taste", "ship"),
        ("mood", "ship"),
        ("charm", "ship"),
        ("pair noise", "no evidence"),
        ("user noise", "no evidence"),
        ("track noise", "no evidence"),
        ("listens of the user to come", "leaks"),
        ("listens of the track to come", "leaks"),
    ],
)
def test_planted_columns_get_their_verdict(world: Planted, kind: str, verdict: str) -> None:
    found = found_of(world, kind)
    assert decide_verdict(found) == verdict, explain_verdict(found)
    if verdict == "ship" and kind != "mood":
        # the column counts more than any feature of the run, and orders better
        assert found.importance[0][0] == "" and found.order and found.order["without"].low > 0
    if kind == "mood":
        assert any("not the order" in caution for caution in list_cautions(found))


@pytest.mark.parametrize("seed", range(20))
def test_every_leak_jumps_and_nothing_honest_does(seed: int) -> None:
    world = plant(seed, num_users=150)
    material = world.material
    codes = {PAIR: np.arange(len(material.later)), USER: material.later.user, TRACK: material.later.track}
    for kind in ("taste", "taste, half noise", "mood", "charm", "pair noise", "user noise", "track noise"):
        key, known, later = world.column(kind, seed)
        for values, rows in ((known, material.known), (later, material.later)):
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
        key, _, later = world.column(kind, seed)
        assert measure_discontinuity(later, material.later, codes[key]).low > MAX_DISCONTINUITY, kind


def test_of_twenty_seeds_most_useful_columns_are_found_and_nearly_all_noise_is_rejected() -> None:
    verdicts: dict[str, list[str]] = {}
    for seed in range(20):
        whole = plant(seed, num_users=80)
        world = replace(whole, material=whole.material.of_first())
        for kind in ("taste", "pair noise", "user noise", "track noise"):
            verdicts.setdefault(kind, []).append(decide_verdict(found_of(world, kind, seed)))
    useful = verdicts.pop("taste")
    noise = sum(verdicts.values(), [])
    assert useful.count("ship") >= 16, useful
    assert len(noise) == 60 and noise.count("ship") <= 3, verdicts


def test_what_tells_of_both_windows_does_not_jump(world: Planted) -> None:
    rows = world.material.later
    past = measure_discontinuity(rows.played_before, rows, np.arange(len(rows)))
    assert past.hindsight > 0.95 and past.high < -0.5
    future = measure_discontinuity(rows.labels[:, 0].astype(float), rows, np.arange(len(rows)))
    assert future.future_rise > 0.95 and future.low > 0.5
    nothing = measure_discontinuity(np.full(len(rows), np.nan), rows, np.arange(len(rows)))
    assert nothing == Discontinuity(0, 0, 0, 0, 0)
    # a category is no order: what goes with listens is a value in the middle
    middle = np.where(rows.labels[:, 0] > 0, 5.0, np.random.default_rng(1).choice([1.0, 9.0], len(rows)))
    assert measure_discontinuity(middle, rows, np.arange(len(rows))).low > 0.5


def test_a_column_that_explains_twice_as_much_again_as_everything_leaks_without_a_jump(world: Planted) -> None:
    found = found_of(world, "taste")
    gains = {"without": Gain(2.4, 2.1, 2.7), "placebo": Gain(2.4, 2.1, 2.7)}
    huge = replace(found, rewards=[*found.rewards[:-1], {**found.rewards[-1], **gains}])
    assert decide_verdict(huge) == "leaks" and "out of all proportion" in explain_verdict(huge)[0]


@pytest.mark.parametrize("against", ["without", "placebo"])
def test_both_intervals_must_be_above_nothing(world: Planted, against: str) -> None:
    found = found_of(world, "taste")
    unsure = replace(found, rewards=[{**found.rewards[-1], against: Gain(0.02, -0.001, 0.04)}])
    assert decide_verdict(found) == "ship" and decide_verdict(unsure) == "no evidence"
    worse = {"segment": "all", "without": Gain(-0.02, -0.03, -0.01), "placebo": Gain(0, -1, 1)}
    assert decide_verdict(replace(found, segments=[worse])) == "no evidence"


def test_who_is_predicted_was_not_learned_from(world: Planted) -> None:
    for key, name in ((PAIR, "user_id"), (USER, "user_id"), (TRACK, "track_id")):
        trial = FeatureAblation(world.material, key, 1, NUM_TREES)
        known, later = (trial.folds(rows) for rows in (world.material.known, world.material.later))
        ids = [rows.keys[name].to_numpy() for rows in (world.material.known, world.material.later)]
        assert not set(ids[0][known == 0]) & set(ids[1][later == 1])
        assert 0.4 < known.mean() < 0.6


@pytest.mark.parametrize("key", [PAIR, USER, TRACK])
def test_a_placebo_has_the_values_of_its_segment(world: Planted, key: tuple[str, ...]) -> None:
    rows = world.material.later
    code = np.arange(len(rows)) if key == PAIR else rows.user if key == USER else rows.track
    values = np.random.default_rng(2).standard_normal(len(code))[code]
    values[code % 10 == 3] = np.nan
    placebo = FeatureAblation(world.material, key, 1, NUM_TREES).permuted(values, rows, 5)
    assert np.nanmean(np.abs(placebo - values)) > 0.5
    # one value per key, and the same values overall
    _, first = np.unique(code, return_index=True)
    np.testing.assert_array_equal(placebo, placebo[first][np.unique(code, return_inverse=True)[1]])
    np.testing.assert_array_equal(np.sort(placebo[first]), np.sort(values[first]))
    if key == PAIR:
        for user in range(3):
            mine = rows.user == user
            np.testing.assert_array_equal(np.sort(placebo[mine]), np.sort(values[mine]))


def test_gains_are_those_of_the_likelihood(world: Planted) -> None:
    rows = world.material.later
    labels = rows.labels.copy()
    labels[::3, 1] = np.nan
    judge = GainEvaluator(replace(rows, labels=labels), HEADS, by_tracks=True)
    ours, theirs = rows.log_odds + 0.1, rows.log_odds
    total, constant = 0.0, 0.0
    for head, name in enumerate(HEADS):
        known = np.isfinite(labels[:, head])
        y = labels[known, head]
        sure = [np.log(np.where(y > 0, p, 1 - p)) for p in (1 / (1 + np.exp(-x[known, head])) for x in (ours, theirs))]
        rate = y.mean()
        constant += abs(REWARD_WEIGHTS[name]) * (sure[1] - np.log(np.where(y > 0, rate, 1 - rate))).sum()
        total += abs(REWARD_WEIGHTS[name]) * (sure[0] - sure[1]).sum()
    nats = [judge.likelihoods(one) @ judge.weights for one in (ours, theirs)]
    explained = float(judge.explained(theirs) @ judge.weights)
    assert explained == pytest.approx(constant, rel=1e-4)
    gain = judge.likelihood_gain(*nats, explained)
    assert gain.value == pytest.approx(total / constant, rel=1e-4) and gain.low < gain.value < gain.high
    by_users = GainEvaluator(judge.rows, HEADS, by_tracks=False).likelihood_gain(*nats, explained)
    assert gain.high - gain.low >= by_users.high - by_users.low


def test_it_learns_the_same_every_time(world: Planted) -> None:
    _, known, later = world.column("taste", 1)
    first, again = (FeatureAblation(world.material, PAIR, 1, NUM_TREES).learn(known, later).log_odds for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_reward_that_no_example_earned_stays_with_the_ranker(world: Planted) -> None:
    labels = world.material.known.labels.copy()
    labels[:, 1] = 0
    material = replace(world.material, known=replace(world.material.known, labels=labels))
    log_odds = FeatureAblation(material, PAIR, 1, NUM_TREES).learn().log_odds
    np.testing.assert_array_equal(log_odds[:, 1], material.later.log_odds[:, 1])
    assert not np.array_equal(log_odds[:, 0], material.later.log_odds[:, 0])
