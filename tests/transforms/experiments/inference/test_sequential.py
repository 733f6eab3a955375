"""Sequential bounds: published tables, an oracle, and 1,000 A/A experiments with a look every day."""

import numpy as np
import pytest
from scipy.stats import norm
from spotify_confidence.analysis.frequentist.sequential_bound_solver import bounds as spotify_bounds

from tests.transforms.experiments.inference.arms import sums_of
from transforms.experiments.inference.estimates import SUM_NAMES, ArmSums, compare_arms
from transforms.experiments.inference.power import Design, detectable_effect, needed_drift, users_needed
from transforms.experiments.inference.sequential import crossing_probability, sequential_bounds, spent_alpha

# Lan-DeMets bounds of the O'Brien-Fleming type, two-sided .05, equally spaced looks: Jennison and Turnbull, Group
# Sequential Methods with Applications to Clinical Trials (2000), and the output of ldbounds and gsDesign.
PUBLISHED = {
    1: [1.9600],
    2: [2.9626, 1.9686],
    3: [3.7103, 2.5114, 1.9930],
    4: [4.3326, 2.9631, 2.3590, 2.0141],
    5: [4.8769, 3.3569, 2.6803, 2.2898, 2.0310],
}


@pytest.mark.parametrize("num_looks", PUBLISHED)
def test_bounds_are_those_of_published_tables(num_looks: int) -> None:
    times = np.arange(1, num_looks + 1) / num_looks
    found = sequential_bounds(times.tolist(), spent_alpha(times, 0.05).tolist())
    assert found == pytest.approx(PUBLISHED[num_looks], abs=2e-4)


@pytest.mark.parametrize("times", [np.arange(1, 6) / 5, np.array([0.1, 0.3, 0.35, 0.8, 1.0])])
def test_bounds_of_any_spending_are_those_of_spotify(times: np.ndarray) -> None:
    """Spotify spends alpha * t^2, and stops its search at 1e-7 of the probability."""
    expected = spotify_bounds(times, alpha=0.05, rho=2, ztrun=8.0, sides=2, max_nints=None).df["zb"].to_numpy()
    assert sequential_bounds(times.tolist(), (0.05 * times**2).tolist()) == pytest.approx(expected, abs=2e-3)


def test_the_bounds_of_daily_looks_spend_alpha_and_no_more() -> None:
    times = np.arange(1, 29) / 28
    bounds = sequential_bounds(times.tolist(), spent_alpha(times, 0.05).tolist())
    assert crossing_probability(times, bounds, 0.0) == pytest.approx(0.05, abs=1e-9)
    assert (np.diff(bounds) < 0).all()


def test_a_look_without_news_does_not_spend_alpha() -> None:
    spent = spent_alpha(np.array([0.5, 0.75, 1.0]), 0.05).tolist()
    found = sequential_bounds([1.0, 1.0, 2.0], spent)
    assert found[0] == found[1] and np.isfinite(found).all()
    assert sequential_bounds([float("nan"), 1.0], spent[:2])[0] == np.inf


def daily_sums(rng: np.random.Generator, num_experiments: int, num_users: int, num_days: int) -> ArmSums:
    """Sums by experiment and day: users of different activity, exposed in the course of the first days."""
    shape = (num_experiments, num_users)
    rate = rng.gamma(1.0, 2.0, shape)
    start = rng.integers(0, num_days // 2, shape)
    y, before = np.zeros(shape, dtype=np.int64), rng.poisson(28 * rate)
    sums = []
    for day in range(num_days):
        is_exposed = start <= day
        y = y + rng.poisson(rate) * is_exposed
        n = is_exposed.astype(np.int64)
        one = sums_of(y, (day + 1 - start) * n, before * n, 28 * n)
        sums.append({**one.sums, "n": n.sum(axis=-1)})
    return ArmSums({name: np.stack([one[name] for one in sums], axis=1) for name in SUM_NAMES})


def test_a_thousand_experiments_without_a_difference_find_one_in_a_twentieth() -> None:
    """With a look every day; 1.4 points are two standard errors of 1,000 experiments."""
    num_experiments, num_days = 1_000, 10
    rng = np.random.default_rng(7)
    found = compare_arms(*(daily_sums(rng, num_experiments, 300, num_days) for _ in range(2)))
    spent = spent_alpha((np.arange(num_days) + 1) / num_days, 0.05).tolist()
    bounds = np.stack([sequential_bounds((1 / one**2).tolist(), spent) for one in found.error])
    crossed = (np.abs(found.z) >= bounds).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.014)
    # who looks every day as if it were the only look is wrong three times as often
    assert (np.abs(found.z) >= norm.isf(0.025)).any(axis=1).mean() > 0.1


@pytest.mark.parametrize(("num_looks", "num_success", "num_guardrails"), [(1, 1, 0), (14, 2, 3)])
def test_the_users_needed_find_the_effect_with_the_power_asked_for(
    num_looks: int, num_success: int, num_guardrails: int
) -> None:
    design = Design(0.05, 0.8, num_success, num_guardrails, num_looks)
    drift = needed_drift(design, design.success_alpha)
    users = users_needed(0.1, 4.0, (1.0, 1.0), drift)
    assert detectable_effect(users, 4.0, (1.0, 1.0), drift) == pytest.approx(0.1)
    times = np.arange(1, num_looks + 1) / num_looks
    bounds = sequential_bounds(times.tolist(), spent_alpha(times, design.success_alpha).tolist())
    rng = np.random.default_rng(1)
    steps = rng.standard_normal((20_000, num_looks)) / np.sqrt(num_looks) + drift / num_looks
    z = np.cumsum(steps, axis=1) / np.sqrt(times)
    assert (np.abs(z) >= bounds).any(axis=1).mean() == pytest.approx(design.metric_power, abs=0.01)
    if num_looks == 1:
        # (1.96 + .8416)^2 * 4 * 4 / .1^2
        assert users == pytest.approx(12_558.2, abs=1)
