import numpy as np
import pytest

from pipelines.evaluation.estimates import EstimateKey, Estimates, compare_means
from tests.pipelines.evaluation.made_up_sums import NUM_USERS, ndcg, sums_of


def test_paired_differences_are_narrower_than_the_intervals_of_both() -> None:
    rng = np.random.default_rng(1)
    shared = rng.random(NUM_USERS)
    values = {ndcg("a"): shared + 0.02, ndcg("b"): shared, ndcg("c"): rng.random(NUM_USERS)}
    estimates = Estimates.from_cutoffs([sums_of(values)], 0.95)
    one, other = estimates.estimate(EstimateKey(*ndcg("a"))), estimates.estimate(EstimateKey(*ndcg("b")))
    assert one.low < other.high and one.users == NUM_USERS
    found = estimates.difference(EstimateKey(*ndcg("a")), EstimateKey(*ndcg("b")))
    assert found.verdict == "better" and found.difference == pytest.approx(0.02, abs=1e-5)
    assert found.high - found.low < 1e-4
    assert estimates.difference(EstimateKey(*ndcg("b")), EstimateKey(*ndcg("a"))).verdict == "worse"
    unpaired = estimates.difference(EstimateKey(*ndcg("b")), EstimateKey(*ndcg("c")))
    assert unpaired.verdict == "no difference" and unpaired.high - unpaired.low > 0.05
    # a system without a row has a list without a hit
    assert estimates.estimate(EstimateKey(*ndcg("d"))).value == 0.0
    assert estimates.estimate(EstimateKey("a", "ndcg@10", "tail")) is None


def test_the_same_user_at_two_cutoffs_is_one_cluster() -> None:
    value = np.random.default_rng(2).random(NUM_USERS)
    once = Estimates.from_cutoffs([sums_of({ndcg("a"): value})], 0.95).estimate(EstimateKey(*ndcg("a")))
    twice = Estimates.from_cutoffs([sums_of({ndcg("a"): value})] * 2, 0.95).estimate(EstimateKey(*ndcg("a")))
    others = [sums_of({ndcg("a"): value}), sums_of({ndcg("a"): value}, first_user=10_000)]
    more = Estimates.from_cutoffs(others, 0.95).estimate(EstimateKey(*ndcg("a")))
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))
    assert twice.users == 2 * NUM_USERS
    assert more.high - more.low < 0.85 * (once.high - once.low)


def test_an_interval_that_holds_nought_is_no_difference() -> None:
    first = np.array([0.5, 0.4, 0.6, 0.5])
    assert compare_means(first, first, 0.95).verdict == "no difference"
    assert compare_means(first, np.zeros(4), 0.95).ratio is None
