"""Means and ratios of an arm, and differences of two arms, from sums over users that workers can add up.

Of each user five numbers count: 1; y and m, numerator and denominator of the metric; p and q, those of the covariate,
from before the exposure. A mean per user has m = 1. The sums of the five and of their products are exact integers, so
they do not depend on how users were divided.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

VALUES = ("n", "y", "m", "p", "q")
# The sums of one arm: of the values, and of the products of two of them (n * a is a).
PRODUCTS = tuple(f"{one}{other}" for one, other in combinations_with_replacement(VALUES[1:], 2))
SUM_NAMES = (*VALUES, *PRODUCTS)


@dataclass(frozen=True)
class ArmSums:
    """Sums of one arm by name (SUM_NAMES): int arrays of one shape, such as one value a look."""

    sums: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the sums of a name, as Python's integers: products of large sums stay exact."""
        return np.asarray(self.sums[name]).astype(object)

    def __add__(self, other: "ArmSums") -> "ArmSums":
        """Return the sums over the users of two arms."""
        return ArmSums({name: self[name] + other[name] for name in SUM_NAMES})

    def mean(self, name: str) -> np.ndarray:
        """Return the mean of a value over users; NaN without users."""
        return _divided(self[name], self["n"])

    def covariance(self, one: str, other: str) -> np.ndarray:
        """Return the sample covariance of two values; NaN of fewer than two users."""
        product = self[one + other if one + other in self.sums else other + one]
        n = self["n"]
        return _divided(n * product - self[one] * self[other], n * (n - 1))


@dataclass(frozen=True)
class ArmEstimate:
    """Ratio of an arm and the moments of its linear approximation (delta method), float arrays.

    n: users. value: sum of y over sum of m. variance: of a user's contribution to it. covariate: sum of p over sum
    of q. covariate_variance, covariance: of a user's contribution to the covariate, and of both.
    """

    n: np.ndarray
    value: np.ndarray
    variance: np.ndarray
    covariate: np.ndarray
    covariate_variance: np.ndarray
    covariance: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Return the standard error of the value."""
        return np.sqrt(self.variance / self.n)

    @property
    def over_covariate(self) -> np.ndarray:
        """Return the value over the covariate; NaN where that is 0."""
        return np.where(self.covariate > 0, self.value / np.where(self.covariate > 0, self.covariate, 1.0), np.nan)

    @property
    def over_covariate_error(self) -> np.ndarray:
        """Return the standard error of the value over the covariate: again by its linear approximation."""
        ratio = self.over_covariate
        variance = self.variance - 2 * ratio * self.covariance + ratio**2 * self.covariate_variance
        return np.sqrt(np.maximum(variance, 0.0) / self.n) / np.where(self.covariate > 0, self.covariate, np.nan)


@dataclass(frozen=True)
class Difference:
    """Treatment minus control, float arrays; NaN where an arm has fewer than two users or nothing to divide by.

    control_error, treatment_error: standard errors of the values of the arms, which no covariate adjusts. difference:
    adjusted by the covariate (CUPED). error: its standard error. variance_ratio: the variance with the covariate over
    that without. raw_difference: without the covariate.
    """

    control: np.ndarray
    treatment: np.ndarray
    control_error: np.ndarray
    treatment_error: np.ndarray
    difference: np.ndarray
    error: np.ndarray
    variance_ratio: np.ndarray
    raw_difference: np.ndarray

    @property
    def z(self) -> np.ndarray:
        """Return the difference in standard errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.difference / self.error


def estimate_arm(arm: ArmSums) -> ArmEstimate:
    """Estimate the ratio of an arm and, linearised around it, the variance of a user's contribution.

    The delta method for ratios: Deng, Knoblich and Lu, Applying the Delta Method in Metric Analytics, KDD 2018.
    """
    ratio, covariate = _divided(arm["y"], arm["m"]), _divided(arm["p"], arm["q"])
    mean_m, mean_q = arm.mean("m"), arm.mean("q")

    def moment(one: tuple[str, str], two: tuple[str, str]) -> np.ndarray:
        """Return the covariance of (a - A b) and (c - C d), where A, C are the ratios of the pairs."""
        scale = {"m": ratio, "q": covariate}
        (a, b), (c, d) = one, two
        return (
            arm.covariance(a, c)
            - scale[d] * arm.covariance(a, d)
            - scale[b] * arm.covariance(b, c)
            + scale[b] * scale[d] * arm.covariance(b, d)
        )

    metric, before = ("y", "m"), ("p", "q")
    with np.errstate(divide="ignore", invalid="ignore"):
        return ArmEstimate(
            n=arm["n"].astype(float),
            value=ratio,
            variance=np.maximum(moment(metric, metric), 0.0) / mean_m**2,
            covariate=covariate,
            covariate_variance=np.maximum(moment(before, before), 0.0) / mean_q**2,
            covariance=moment(metric, before) / (mean_m * mean_q),
        )


def compare_arms(control: ArmSums, treatment: ArmSums) -> Difference:
    """Estimate treatment minus control, adjusted by the covariate of both arms (CUPED).

    Deng, Xu, Kohavi and Walker, Improving the Sensitivity of Online Controlled Experiments by Utilizing Pre-Experiment
    Data, WSDM 2013. The coefficient is that of least squares over the users of both arms.
    """
    arms = [estimate_arm(one) for one in (control, treatment)]
    theta = _coefficient(estimate_arm(control + treatment))
    raw_difference = arms[1].value - arms[0].value
    raw, adjusted = (
        np.sum([_adjusted_variance(one, by) / one.n for one in arms], axis=0) for by in (np.zeros_like(theta), theta)
    )
    has_covariate = np.isfinite(adjusted) & (theta != 0)
    moved = theta * (arms[1].covariate - arms[0].covariate)
    variance = np.where(has_covariate, np.maximum(adjusted, 0.0), raw)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Difference(
            control=arms[0].value,
            treatment=arms[1].value,
            control_error=arms[0].error,
            treatment_error=arms[1].error,
            difference=np.where(has_covariate, raw_difference - moved, raw_difference),
            error=np.sqrt(variance),
            variance_ratio=np.where(raw > 0, variance / raw, 1.0),
            raw_difference=raw_difference,
        )


def compare_merits(control: ArmSums, treatment: ArmSums) -> Difference:
    """Estimate treatment minus control of the value over the covariate, both of the same time: nothing is adjusted."""
    arms = [estimate_arm(one) for one in (control, treatment)]
    values, errors = [one.over_covariate for one in arms], [one.over_covariate_error for one in arms]
    difference = values[1] - values[0]
    return Difference(
        control=values[0],
        treatment=values[1],
        control_error=errors[0],
        treatment_error=errors[1],
        difference=difference,
        error=np.hypot(*errors),
        variance_ratio=np.ones_like(difference),
        raw_difference=difference,
    )


def _adjusted_variance(arm: ArmEstimate, by: np.ndarray) -> np.ndarray:
    """Return the variance of a user's contribution less `by` times the covariate; where that is 0, of it alone."""
    less = by * (2 * arm.covariance - by * arm.covariate_variance)
    return np.where(by == 0, arm.variance, arm.variance - less)


def _coefficient(both: ArmEstimate) -> np.ndarray:
    """Return the coefficient of least squares; 0 where the covariate is absent or does not vary."""
    is_usable = np.isfinite(both.covariance) & (np.nan_to_num(both.covariate_variance) > 0)
    return np.where(is_usable, both.covariance / np.where(is_usable, both.covariate_variance, 1.0), 0.0)


def _divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide exact integers; NaN where the divisor is 0 or less."""
    is_positive = below > 0
    quotient = above / np.where(is_positive, below, 1)
    return np.where(is_positive, quotient, np.nan).astype(float)
