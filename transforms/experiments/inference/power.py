"""Power: the users that an experiment needs, with daily looks, so that a given improvement would be found."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from transforms.experiments.inference.sequential import crossing_probability, sequential_bounds, spent_alpha


@dataclass(frozen=True)
class Design:
    """Error rates of an experiment.

    alpha: two-sided, of all success metrics together. power: of the decision. num_success: success metrics, times
    treatments. num_guardrails: guardrails. num_looks: planned days, one look each.
    """

    alpha: float
    power: float
    num_success: int
    num_guardrails: int
    num_looks: int

    @property
    def success_alpha(self) -> float:
        """Return the two-sided alpha of one success metric (Bonferroni)."""
        return self.alpha / max(self.num_success, 1)

    @property
    def metric_power(self) -> float:
        """Return the power of each test with which the decision has its own: all guardrails and one success metric."""
        return 1 - (1 - self.power) / (self.num_guardrails + 1)


def needed_drift(design: Design, alpha: float) -> float:
    """Return the expectation of z at the planned end with which a test of this alpha has the power of the design."""
    return _drift(alpha, design.metric_power, design.num_looks)


@lru_cache(maxsize=64)
def _drift(alpha: float, power: float, num_looks: int) -> float:
    times = np.arange(1, num_looks + 1) / num_looks
    bounds = sequential_bounds(times.tolist(), spent_alpha(times, alpha).tolist())
    single = norm.isf(alpha / 2) + norm.ppf(power)
    return float(
        brentq(lambda drift: crossing_probability(times, bounds, drift) - power, 0.8 * single, 2 * single, xtol=1e-6)
    )


def users_needed(effect: float, variance: float, shares: tuple[float, float], drift: float) -> float:
    """Return the users of control and treatment together that find an effect.

    effect: absolute. variance: of a user's contribution to the metric. shares: of control and treatment, in any unit.
    """
    control, treatment = (share / sum(shares) for share in shares)
    return drift**2 * variance * (1 / control + 1 / treatment) / effect**2


def detectable_effect(users: float, variance: float, shares: tuple[float, float], drift: float) -> float:
    """Return the absolute effect that this many users of control and treatment together find."""
    control, treatment = (share / sum(shares) for share in shares)
    return drift * float(np.sqrt(variance * (1 / control + 1 / treatment) / users))
