"""Reasons for which a log cannot tell the value of a target: support, propensities, and how few requests count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import chi2

from transforms.evaluation.bootstrap import FIXED_POINT
from transforms.experiments.off_policy.choice_sums import ALL_CHOICES, MISSING, ChoiceSums, Place
from transforms.experiments.off_policy.statistics import CLIPS, LARGEST, clipped_at

# Share of the outcomes that the places hold which count as examined, the places with most first.
EXAMINED_SHARE = 0.95
MAX_MISSING_SHARE = 0.001
MIN_RANDOM_SHARE = 0.01
MAX_UNLOGGED_SHARE = 0.01
MIN_CALIBRATION_P = 0.001
MAX_WEIGHT_ERRORS = 3.0
MIN_EFFECTIVE_SHARE, MIN_EFFECTIVE = 0.05, 1_000.0
MAX_LARGEST_SHARE = 0.05
# Choices of a group below which its ratios are not tested.
_MIN_TESTED = 50


@dataclass(frozen=True)
class PlaceSupport:
    """Support that the log gives the target at one place.

    choices: logged ones that the target makes too. effective: their effective number. largest: largest weight, as a
    share of the sum of weights. clipped: share of weights above the first of CLIPS. reward: share of all outcomes.
    """

    place: Place
    choices: int
    effective: float
    largest: float
    clipped: float
    reward: float

    @property
    def effective_share(self) -> float:
        """Return the effective number as a share of the choices."""
        return self.effective / self.choices if self.choices else 0.0


@dataclass(frozen=True)
class Check:
    """One check of a log: what was found, the limit, and a sentence that says why it refuses; empty: it does not."""

    name: str
    found: str
    limit: str
    reason: str


@dataclass(frozen=True)
class LogChecks:
    """All that is asked of a log before it may tell the value of a target."""

    sums: ChoiceSums

    @cached_property
    def support(self) -> list[PlaceSupport]:
        """Support of all places of cards, in order."""
        return [self._support(place) for place in self.sums.cards]

    @cached_property
    def examined(self) -> list[PlaceSupport]:
        """The places that hold nearly all outcomes, in order."""
        by_reward = sorted(self.support, key=lambda one: (-one.reward, one.place))
        before = np.cumsum([0.0, *(one.reward for one in by_reward)])
        kept = {one.place for one, held in zip(by_reward, before, strict=False) if held < EXAMINED_SHARE and one.reward}
        return [one for one in self.support if one.place in kept]

    def checks(self) -> list[Check]:
        """Return all checks, in order; the sums have a request."""
        return [check(self) for check in _CHECKS]

    def reasons(self) -> list[str]:
        """Return why the log cannot tell the value; empty: it can."""
        return [one.reason for one in self.checks() if one.reason]

    @cached_property
    def unlogged_share(self) -> float:
        """The target's probability of what the log never shows, in the mean of the choices for which it is known."""
        known = self._total("unlogged known")
        return self._total("unlogged") / known if known else 0.0

    @cached_property
    def calibration_p(self) -> float:
        """The probability of ratios as far from 1 as these, if the log's propensities hold.

        The least of three tests: by place, by what the ranker predicts at each place, and by shelf (Bonferroni).
        """
        by_place = [self.sums.of("ratio alone", one) for one in self.sums.places if self._choices(one) >= _MIN_TESTED]
        by_score = [self.sums.of("score gain", one) for one in self.sums.places if self._choices(one) >= _MIN_TESTED]
        groups = (by_place, by_score, list(self.sums.by_shelf.values()))
        return min(1.0, len(groups) * min(map(_chi_squared_p, groups)))

    @cached_property
    def mean_weight(self) -> tuple[float, float]:
        """Mean weight of the choices down to the examined cards, each by its share of the outcomes; and its error."""
        held = sum(one.reward for one in self.examined)
        if not held:
            return 1.0, 0.0
        weights = [one.reward / held * self.sums.prefix_weight(one.place) for one in self.examined]
        mean = np.sum(weights, axis=0) / self.sums.of_page("requests")
        return float(mean[0]), float(np.std(mean[1:]))

    def _choices(self, place: Place) -> float:
        return float(self.sums.of("open", place)[0])

    def _total(self, statistic: str) -> float:
        return float(sum(self.sums.of(statistic, place)[0] for place in self.sums.places))

    def _support(self, place: Place) -> PlaceSupport:
        one = {name: float(self.sums.of(name, place)[0]) for name in ("open", "weight", "squared weight", LARGEST)}
        rewards = float(sum(self.sums.of("absolute reward", card)[0] for card in self.sums.cards))
        weight, squared, choices = one["weight"], one["squared weight"], one["open"]
        return PlaceSupport(
            place,
            round(choices),
            weight**2 / squared if squared else 0.0,
            one[LARGEST] / weight if weight else 1.0,
            float(self.sums.of(f"share{clipped_at(CLIPS[0])}", place)[0]) / choices if choices else 0.0,
            float(self.sums.of("absolute reward", place)[0]) / rewards if rewards else 0.0,
        )


def _chi_squared_p(groups: Sequence[np.ndarray]) -> float:
    """Return the probability of sums [1 + R] as far from 0: ratios at different choices are not correlated."""
    errors = [float(np.std(one[1:])) for one in groups]
    terms = [(one[0] / error) ** 2 for one, error in zip(groups, errors, strict=True) if error > 1 / FIXED_POINT]
    return float(chi2.sf(sum(terms), len(terms))) if terms else 1.0


def _outcomes(log: LogChecks) -> Check:
    has_requests = log.sums.of_page("requests")[0] > 0
    reason = "the log has no outcome at all" if has_requests and not log.examined else ""
    return Check("outcomes", f"{log._total('absolute reward'):,.0f}", "above 0", reason)


def _missing(log: LogChecks) -> Check:
    every = float(log.sums.of_page(ALL_CHOICES)[0])
    share = float(log.sums.of_page(MISSING)[0]) / every if every else 1.0
    reason = (
        f"{share:.2%} of the choices have no propensity, or 0, or stand on a page with an empty place"
        if share > MAX_MISSING_SHARE
        else ""
    )
    return Check("choices without a propensity", f"{share:.2%}", f"at most {MAX_MISSING_SHARE:.1%}", reason)


def _random(log: LogChecks) -> Check:
    requests = float(log.sums.of_page("requests")[0])
    share = float(log.sums.of_page("random")[0]) / requests if requests else 0.0
    is_fixed = requests > 0 and share < MIN_RANDOM_SHARE
    reason = f"the log is deterministic: chance had a part in {share:.1%} of its requests" if is_fixed else ""
    return Check("random requests", f"{share:.1%}", f"at least {MIN_RANDOM_SHARE:.0%}", reason)


def _unlogged(log: LogChecks) -> Check:
    share = log.unlogged_share
    reason = (
        f"with probability {share:.1%} the target shows what the log never does" if share > MAX_UNLOGGED_SHARE else ""
    )
    return Check("target outside the log", f"{share:.2%}", f"at most {MAX_UNLOGGED_SHARE:.0%}", reason)


def _calibrated(log: LogChecks) -> Check:
    p = log.calibration_p
    reason = (
        f"the log's propensities do not fit what it shows (p = {p:.1g}): they are wrong, or the target shows what the"
        " log does not"
        if p < MIN_CALIBRATION_P
        else ""
    )
    return Check("calibration p", f"{p:.3f}", f"at least {MIN_CALIBRATION_P:g}", reason)


def _mean_weight(log: LogChecks) -> Check:
    mean, error = log.mean_weight
    is_off = abs(mean - 1) > MAX_WEIGHT_ERRORS * error and abs(mean - 1) > 1e-9
    reason = f"the mean weight is {mean:.3f} ± {error:.3f}, and should be 1" if is_off else ""
    return Check("mean weight", f"{mean:.3f} ± {error:.3f}", f"1 within {MAX_WEIGHT_ERRORS:g} standard errors", reason)


def _effective(log: LogChecks) -> Check:
    name, limit = "effective requests", f"at least {MIN_EFFECTIVE:,.0f} and {MIN_EFFECTIVE_SHARE:.0%}"
    if not log.examined:
        return Check(name, "–", limit, "")
    least = min(log.examined, key=lambda one: one.effective)
    share = min(log.examined, key=lambda one: one.effective_share)
    reason = ""
    if least.effective < MIN_EFFECTIVE:
        reason = f"at {place_name(least.place)} only {least.effective:,.0f} requests count, of {least.choices:,}"
    elif share.effective_share < MIN_EFFECTIVE_SHARE:
        reason = f"at {place_name(share.place)} only {share.effective_share:.1%} of the requests count"
    return Check(name, f"{least.effective:,.0f} and {share.effective_share:.1%}", limit, reason)


def _largest(log: LogChecks) -> Check:
    name, limit = "largest weight", f"at most {MAX_LARGEST_SHARE:.0%}"
    if not log.examined:
        return Check(name, "–", limit, "")
    most = max(log.examined, key=lambda one: one.largest)
    reason = (
        f"at {place_name(most.place)} a single request has {most.largest:.1%} of the weight"
        if most.largest > MAX_LARGEST_SHARE
        else ""
    )
    return Check(name, f"{most.largest:.2%}", limit, reason)


_CHECKS: Sequence[Callable[[LogChecks], Check]] = (
    _outcomes,
    _missing,
    _random,
    _unlogged,
    _calibrated,
    _mean_weight,
    _effective,
    _largest,
)


def place_name(place: Place) -> str:
    """Return the words for a place."""
    return f"shelf {place[0]}, track {place[1]}"
