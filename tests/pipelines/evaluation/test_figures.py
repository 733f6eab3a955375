"""Means, intervals and differences from sums; what leak checks and tuning make of them."""

import numpy as np
import polars as pl
import pytest

from models.baselines.interactions import Baseline
from pipelines.evaluation.figures import EstimateKey, Estimates, compare_means
from pipelines.evaluation.leak_checks import find_leaks
from pipelines.evaluation.tuning import BEST_BLEND, choose_best_points, first_grid_points, grid_systems
from transforms.evaluation.bootstrap import replicate_weights, sum_replicates
from transforms.evaluation.list_metrics import EVERYONE
from transforms.evaluation.measure_lists import USER_TOTAL
from transforms.evaluation.schemas import SUMS
from transforms.tables.columns import fill_columns
from transforms.tables.hashing import mix

NUM_USERS = 300


def sums_of(values: dict[tuple[str, str, str], np.ndarray], first_user: int = 0) -> pl.DataFrame:
    """SUMS of values by (system, metric, targets), one a user."""
    users = np.arange(NUM_USERS)
    weights = replicate_weights(mix((users + first_user).astype(np.uint64)), 200)
    kinds = {targets for _, _, targets in values}
    rows = {**{("", USER_TOTAL, kind): np.ones(NUM_USERS) for kind in kinds}, **values}
    frames = [
        {"system": key[0], "metric": key[1], "targets": key[2], "segment": EVERYONE, "values": sums[0].tolist()}
        for key, value in rows.items()
        for sums in [sum_replicates(value[:, None], weights)]
    ]
    return fill_columns(SUMS.frame(frames), SUMS)


def ndcg(system: str, targets: str = "all") -> tuple[str, str, str]:
    return (system, "ndcg@10", targets)


def test_paired_differences_are_narrower_than_the_intervals_of_both() -> None:
    rng = np.random.default_rng(1)
    shared = rng.random(NUM_USERS)
    values = {ndcg("a"): shared + 0.02, ndcg("b"): shared, ndcg("c"): rng.random(NUM_USERS)}
    figures = Estimates.from_cutoffs([sums_of(values)], 0.95)
    one, other = figures.figure(EstimateKey(*ndcg("a"))), figures.figure(EstimateKey(*ndcg("b")))
    assert one.low < other.high and one.users == NUM_USERS
    found = figures.difference(EstimateKey(*ndcg("a")), EstimateKey(*ndcg("b")))
    assert found["verdict"] == "better" and found["difference"] == pytest.approx(0.02, abs=1e-5)
    assert found["high"] - found["low"] < 1e-4
    assert figures.difference(EstimateKey(*ndcg("b")), EstimateKey(*ndcg("a")))["verdict"] == "worse"
    unpaired = figures.difference(EstimateKey(*ndcg("b")), EstimateKey(*ndcg("c")))
    assert unpaired["verdict"] == "no difference" and unpaired["high"] - unpaired["low"] > 0.05
    # a system without a row has a list without a hit
    assert figures.figure(EstimateKey(*ndcg("d"))).value == 0.0
    assert figures.figure(EstimateKey("a", "ndcg@10", "tail")) is None


def test_the_same_user_at_two_cutoffs_is_one_cluster() -> None:
    value = np.random.default_rng(2).random(NUM_USERS)
    once = Estimates.from_cutoffs([sums_of({ndcg("a"): value})], 0.95).figure(EstimateKey(*ndcg("a")))
    twice = Estimates.from_cutoffs([sums_of({ndcg("a"): value})] * 2, 0.95).figure(EstimateKey(*ndcg("a")))
    others = [sums_of({ndcg("a"): value}), sums_of({ndcg("a"): value}, first_user=10_000)]
    more = Estimates.from_cutoffs(others, 0.95).figure(EstimateKey(*ndcg("a")))
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))
    assert twice.users == 2 * NUM_USERS
    assert more.high - more.low < 0.85 * (once.high - once.low)


def test_an_interval_that_holds_nought_is_no_difference() -> None:
    first = np.array([0.5, 0.4, 0.6, 0.5])
    assert compare_means(first, first, 0.95)["verdict"] == "no difference"
    assert compare_means(first, np.zeros(4), 0.95)["ratio"] is None


def entry(name: str, points: int) -> Baseline:
    return Baseline(name, name, "", tuple({"x": float(point)} for point in range(points)), lambda *_: np.empty((0, 0)))


def test_the_best_point_of_every_grid_is_kept_and_the_best_two_are_summed() -> None:
    baselines = (entry("repeater", 2), entry("finder", 3))
    values = {
        ndcg("repeater#0"): 0.2, ndcg("repeater#1"): 0.3, ndcg("finder#0"): 0.1, ndcg("finder#2"): 0.2,
        ndcg("repeater#0", "repeats"): 0.9, ndcg("finder#1", "discoveries"): 0.4, ndcg("finder#2", "discoveries"): 0.3,
    }  # fmt: skip
    figures = Estimates.from_cutoffs([sums_of({key: np.full(NUM_USERS, value) for key, value in values.items()})], 0.95)
    tuned = choose_best_points(figures, baselines)
    assert {name: dict(parameters) for name, (_, parameters) in tuned.items()} == {
        "repeater": {"x": 1.0},
        "finder": {"x": 2.0},
        BEST_BLEND: {"repeater.x": 0.0, "finder.x": 1.0},
    }
    assert len(grid_systems(baselines)) == 5 and first_grid_points(baselines)["finder"][1] == {"x": 0.0}


def test_a_blend_is_the_sum_of_its_parts() -> None:
    def score(plays: object, learned: dict, parameters: dict) -> np.ndarray:
        return np.array([[1.0, 2.0, -np.inf]], dtype=np.float32) * learned["scale"]

    part = Baseline("p", "", "", ({},), score, lambda plays, parameters: {"scale": np.float32(3)})
    figures = Estimates.from_cutoffs(
        [sums_of({ndcg("p#0"): np.ones(NUM_USERS), ndcg("q#0", "discoveries"): np.ones(NUM_USERS)})], 0.95
    )
    blend, parameters = choose_best_points(figures, (part, Baseline("q", "", "", ({},), score, part.fit)))[BEST_BLEND]
    learned = blend.fit(None, parameters)
    assert sorted(learned) == ["0.scale", "1.scale"]
    scores = blend.score(None, learned, parameters)[0]
    assert scores[1] > scores[0] and scores[2] == -np.inf


def about(future_rise: float) -> dict:
    return {
        "catalogue": [{"system": name, "metric": "future_rise", "value": future_rise} for name in ("seer", "honest")]
    }


DISCOVERIES = {ndcg(name, "discoveries"): 0.03 for name in ("seer", "honest", "other")}
RECALLS = {(name, "recall@100", "discoveries"): 0.1 for name in ("seer", "honest")}
LATE = {("seer", "recall@100", "late"): 0.9, ("honest", "recall@100", "late"): 0.1}


@pytest.mark.parametrize(
    ("values", "future_rise", "suspect"),
    [
        (DISCOVERIES, 0.2, set()),
        ({**DISCOVERIES, ndcg("seer", "discoveries"): 0.2}, 0.2, {("seer", "ahead")}),
        (DISCOVERIES, 2.5, {("seer", "future_rise"), ("honest", "future_rise")}),
        ({**DISCOVERIES, **RECALLS, **LATE}, 0.2, {("seer", "late")}),
    ],
)
def test_what_nobody_can_know_is_suspect(values: dict, future_rise: float, suspect: set) -> None:
    figures = Estimates.from_cutoffs([sums_of({key: np.full(NUM_USERS, value) for key, value in values.items()})], 0.95)
    leaks = find_leaks([about(future_rise)], figures, ["seer", "honest", "other"])
    assert {(leak["system"], leak["check"]) for leak in leaks if leak["is_suspect"]} == suspect
