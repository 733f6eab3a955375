import numpy as np
import pytest
from scipy.stats import bootstrap, poisson

from transforms.evaluation.bootstrap import (
    FIXED_POINT,
    MAX_BLOCK_USERS,
    percentile_interval,
    replicate_weights,
    sum_replicates,
)
from transforms.tables.hashing import mix


def test_users_count_as_often_as_a_poisson_count_says() -> None:
    weights = replicate_weights(mix(np.arange(2000, dtype=np.uint64)), 401)
    assert weights.shape == (2000, 402) and (weights[:, 0] == 1).all()
    drawn = weights[:, 1:].ravel()
    for count in range(6):
        expected = poisson.pmf(count, 1)
        assert (drawn == count).mean() == pytest.approx(expected, abs=5 * np.sqrt(expected / len(drawn)) + 2e-5)
    # replicates and users are independent of each other
    assert abs(np.corrcoef(weights[:, 1:60].T) - np.eye(59)).max() < 0.12
    assert abs(np.corrcoef(weights[:60, 1:]) - np.eye(60)).max() < 0.3


def test_a_users_counts_depend_on_nobody_else() -> None:
    keys = mix(np.arange(50, dtype=np.uint64))
    assert np.array_equal(replicate_weights(keys, 30)[7:9], replicate_weights(keys[7:9], 30))
    assert np.array_equal(replicate_weights(keys, 30)[:, :11], replicate_weights(keys, 10))


def test_sums_are_exact_in_any_order() -> None:
    rng = np.random.default_rng(1)
    values = rng.random((MAX_BLOCK_USERS, 3)) * 16 * 500
    weights = replicate_weights(mix(np.arange(MAX_BLOCK_USERS, dtype=np.uint64)), 8)
    exact = [
        [sum(round(v * FIXED_POINT) * int(w) for v, w in zip(column, weights[:, r], strict=True)) for r in range(9)]
        for column in values.T
    ]
    assert np.array_equal(sum_replicates(values, weights), exact)
    order = rng.permutation(MAX_BLOCK_USERS)
    halves = (order[:2000], order[2000:])
    assert np.array_equal(sum(sum_replicates(values[half], weights[half]) for half in halves), exact)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    weights = replicate_weights(np.arange(3, dtype=np.uint64), 4)
    with pytest.raises(ValueError, match=r"not finite in columns \[1\]"):
        sum_replicates(np.array([[1.0, bad]] * 3), weights)
    with pytest.raises(ValueError, match="block"):
        sum_replicates(np.ones((MAX_BLOCK_USERS + 1, 1)), np.ones((MAX_BLOCK_USERS + 1, 2)))


def test_intervals_are_those_of_the_plain_bootstrap() -> None:
    rng = np.random.default_rng(3)
    values = rng.exponential(size=(800, 1))
    weights = replicate_weights(mix(np.arange(800, dtype=np.uint64)), 2000)
    sums, counts = (sum_replicates(column, weights)[0] for column in (values, np.ones((800, 1))))
    low, high = percentile_interval(sums[1:] / counts[1:], 0.95)
    plain = bootstrap((values[:, 0],), np.mean, n_resamples=2000, method="percentile", rng=4).confidence_interval
    assert (low, high) == pytest.approx((plain.low, plain.high), abs=0.01)
    assert low < values.mean() < high


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    held = []
    for trial in range(300):
        one, other = rng.random((2, 200, 1)) < np.array([0.3, 0.25])[:, None, None]
        weights = replicate_weights(mix(np.arange(200, dtype=np.uint64) + np.uint64(1000 * trial)), 200)
        first, second, n = (sum_replicates(x.astype(float), weights)[0] for x in (one, other, np.ones((200, 1))))
        low, high = percentile_interval((first[1:] - second[1:]) / n[1:], 0.95)
        held.append(low <= 0.05 <= high)
    assert 0.91 <= np.mean(held) <= 0.985
