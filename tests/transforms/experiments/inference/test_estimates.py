"""Estimates from sums: equal to statsmodels and Spotify's confidence on the users themselves, and exact."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from spotify_confidence import ZTest
from spotify_confidence.analysis.frequentist.z_test_linreg import ZTestLinreg
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from tests.transforms.experiments.inference.arms import sums_of
from transforms.experiments.inference.estimates import SUM_NAMES, ArmSums, compare_arms, compare_merits, estimate_arm

# As exact as doubles let the oracles be.
EXACT = 1e-9


def drawn(seed: int, n: int, mean: float) -> np.ndarray:
    return np.random.default_rng(seed).negative_binomial(2, 2 / (2 + mean), n).astype(np.int64)


@pytest.mark.parametrize(("num_control", "num_treatment"), [(500, 500), (900, 300)])
def test_means_are_those_of_statsmodels(num_control: int, num_treatment: int) -> None:
    control, treatment = drawn(1, num_control, 20.0), drawn(2, num_treatment, 22.0)
    found = compare_arms(sums_of(control), sums_of(treatment))
    expected = CompareMeans(DescrStatsW(treatment), DescrStatsW(control))
    assert float(found.difference) == pytest.approx(treatment.mean() - control.mean(), rel=EXACT)
    assert float(found.error) == pytest.approx(expected.std_meandiff_separatevar, rel=EXACT)
    assert float(found.z) == pytest.approx(expected.ztest_ind(usevar="unequal")[0], rel=EXACT)
    low, high = found.difference - 1.959963984540054 * found.error, found.difference + 1.959963984540054 * found.error
    assert (float(low), float(high)) == pytest.approx(expected.zconfint_diff(usevar="unequal"), rel=EXACT)


def frame(control: np.ndarray, treatment: np.ndarray, before: list[np.ndarray] | None = None) -> pd.DataFrame:
    rows = []
    for number, (arm, y) in enumerate((("control", control), ("treatment", treatment))):
        row = {"arm": arm, "n": len(y), "y": y.sum(), "yy": (y**2).sum()}
        if before:
            p = before[number]
            row |= {"p": p.sum(), "pp": (p**2).sum(), "yp": (y * p).sum()}
        rows.append(row)
    return pd.DataFrame(rows)


def test_means_and_intervals_are_those_of_spotify() -> None:
    control, treatment = drawn(1, 800, 20.0), drawn(2, 800, 22.0)
    found = compare_arms(sums_of(control), sums_of(treatment))
    test = ZTest(frame(control, treatment), "y", "yy", "n", categorical_group_columns="arm", interval_size=0.95)
    expected = test.difference(level_1="control", level_2="treatment").iloc[0]
    assert float(found.difference) == pytest.approx(expected["difference"], rel=EXACT)
    half = 1.959963984540054 * float(found.error)
    assert expected["ci_upper"] - expected["difference"] == pytest.approx(half, rel=EXACT)


def test_cuped_is_that_of_spotify() -> None:
    before = [drawn(3, 800, 30.0), drawn(4, 800, 30.0)]
    control, treatment = drawn(1, 800, 5.0) + before[0] // 2, drawn(2, 800, 6.0) + before[1] // 2
    found = compare_arms(sums_of(control, p=before[0]), sums_of(treatment, p=before[1]))
    test = ZTestLinreg(
        frame(control, treatment, before),
        numerator_column="y",
        numerator_sum_squares_column="yy",
        denominator_column="n",
        categorical_group_columns="arm",
        feature_column="p",
        feature_sum_squares_column="pp",
        feature_cross_sum_column="yp",
        interval_size=0.95,
    )
    expected = test.difference(level_1="control", level_2="treatment").iloc[0]
    assert float(found.difference) == pytest.approx(expected["difference"], rel=EXACT)
    # they divide what the covariate takes away by n, and the rest, as we do all, by n - 1
    raw = float(found.error**2 / found.variance_ratio)
    half = 1.959963984540054 * np.sqrt(raw + 799 / 800 * (float(found.error) ** 2 - raw))
    assert expected["ci_upper"] - expected["difference"] == pytest.approx(half, rel=EXACT)


def test_the_delta_method_is_a_sandwich() -> None:
    """A ratio of sums is the intercept of y / m weighted by m; its robust variance is that of the delta method."""
    m = drawn(1, 700, 12.0) + 1
    y = np.random.default_rng(2).binomial(m, 0.3).astype(np.int64)
    found = estimate_arm(sums_of(y, m))
    fitted = sm.WLS(y / m, np.ones(700), weights=m).fit(cov_type="HC1")
    assert float(found.value) == pytest.approx(fitted.params[0], rel=EXACT)
    assert float(np.sqrt(found.variance / found.n)) == pytest.approx(fitted.bse[0], rel=EXACT)


@pytest.mark.parametrize(("correlation", "least_cut"), [(0.0, 0.0), (0.55, 0.3), (0.8, 0.63)])
def test_cuped_cuts_the_variance_by_the_square_of_the_correlation(correlation: float, least_cut: float) -> None:
    rng, arms = np.random.default_rng(1), []
    for _ in range(2):
        drawn_pair = rng.standard_normal((2, 20_000))
        # with no correlation by chance
        before, other = np.linalg.qr(drawn_pair.T - drawn_pair.mean(axis=1))[0].T * np.sqrt(20_000)
        after = correlation * before + np.sqrt(1 - correlation**2) * other
        y, p = (np.rint(1000 * one).astype(np.int64) for one in (after, before))
        # a mean per user, of which no value is negative
        arms.append(sums_of(y + 10_000, p=p))
    ratio = float(compare_arms(*arms).variance_ratio)
    assert ratio == pytest.approx(1 - correlation**2, abs=1e-3) and ratio <= 1 - least_cut


def test_a_ratio_with_a_ratio_as_covariate_is_adjusted() -> None:
    rng, arms = np.random.default_rng(1), []
    for _ in range(2):
        tendency = rng.beta(2, 4, 5_000)
        m, q = (rng.poisson(40, 5_000) for _ in range(2))
        arms.append(sums_of(rng.binomial(m, tendency), m, rng.binomial(q, tendency), q))
    assert 0.1 < float(compare_arms(*arms).variance_ratio) < 0.3


def test_a_ratio_over_a_ratio_has_the_error_of_a_bootstrap_by_user() -> None:
    """Exposure over merit: both are of the same users, and go up and down together."""
    rng = np.random.default_rng(1)
    tendency = rng.beta(2, 4, 2_000)
    m, q = (rng.poisson(20, 2_000) for _ in range(2))
    y, p = rng.binomial(m, tendency), rng.binomial(q, tendency / 2)
    found = estimate_arm(sums_of(y, m, p, q))
    weight = rng.multinomial(2_000, np.full(2_000, 1 / 2_000), size=1_000)
    drawn_again = (weight @ y) / (weight @ m) / ((weight @ p) / (weight @ q))
    assert float(found.over_covariate) == pytest.approx(y.sum() / m.sum() / (p.sum() / q.sum()), rel=EXACT)
    assert float(found.over_covariate_error) == pytest.approx(drawn_again.std(), rel=0.06)
    both = compare_merits(sums_of(y, m, p, q), sums_of(y[::-1], m[::-1], p[::-1], q[::-1]))
    assert float(both.difference) == pytest.approx(0, abs=EXACT)
    assert float(both.error) == pytest.approx(np.sqrt(2) * float(found.over_covariate_error), rel=EXACT)


def test_sums_of_any_size_are_exact() -> None:
    """Squares of sums beyond 2^53 would leave no digit of the variance."""
    big = np.array([10**7, 10**7 + 1, 10**7 + 2] * 1000, dtype=np.int64)
    small = estimate_arm(sums_of(np.array([0, 1, 2] * 1000)))
    found = estimate_arm(sums_of(big))
    assert float(found.variance) == float(small.variance) and float(found.value) == 10**7 + 1


def test_sums_add_up() -> None:
    y, p = drawn(1, 100, 5.0), drawn(2, 100, 5.0)
    whole, parts = sums_of(y, p=p), [sums_of(y[part], p=p[part]) for part in (slice(0, 37), slice(37, 100))]
    added = parts[0] + parts[1]
    assert all(added[name] == whole[name] for name in SUM_NAMES)


def test_arms_without_users_have_no_numbers() -> None:
    nobody = ArmSums({name: np.zeros(1, dtype=np.int64) for name in SUM_NAMES})
    found = compare_arms(nobody, sums_of(np.array([[1, 2]])))
    assert np.isnan(found.difference).all() and np.isnan(found.error).all()


def test_a_covariate_that_does_not_vary_changes_nothing() -> None:
    control, treatment = drawn(1, 50, 5.0), drawn(2, 50, 5.0)
    plain = compare_arms(sums_of(control), sums_of(treatment))
    same = compare_arms(sums_of(control, p=0 * control + 3), sums_of(treatment, p=0 * treatment + 3))
    assert float(plain.difference) == float(same.difference) and float(plain.error) == float(same.error)
