"""Every reason of refusal: a planted log that has it, and one just inside the limit that has not."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from tests.planted_policies import PlantedWorld
from transforms.experiments.off_policy.choice_sums import ChoiceSums
from transforms.experiments.off_policy.estimators import rips
from transforms.experiments.off_policy.refusals import LogChecks
from transforms.experiments.off_policy.sum_choices import sum_choices

NUM_SLATES = 4_000
WORLD = PlantedWorld.draw(1, 3, 0.3)
LOG = WORLD.log(1, NUM_SLATES)
IS_CARD = pl.col("position") >= 0


def checks_of(log: pl.DataFrame) -> LogChecks:
    return LogChecks(ChoiceSums(sum_choices(log, made="page", num_replicates=100, seed=1)))


def refused(log: pl.DataFrame) -> set[str]:
    return {one.name for one in checks_of(log).checks() if one.reason}


def without_propensity(share: float) -> pl.DataFrame:
    number = int(share * len(LOG))
    is_cut = pl.int_range(pl.len()).is_in(np.linspace(1, len(LOG) - 3, number).astype(int).tolist()) & IS_CARD
    return LOG.with_columns(propensity=pl.when(~is_cut).then("propensity"))


def of_chance(share: float) -> pl.DataFrame:
    """A log in which all but some of the requests took what they took for certain, and the target does the same."""
    is_fixed = pl.col("request") >= share * NUM_SLATES
    return LOG.with_columns(
        pl.when(is_fixed).then(1.0).otherwise(name).alias(name) for name in ("propensity", "target_propensity")
    )


def beyond_the_log(share: float) -> pl.DataFrame:
    return LOG.with_columns(target_unlogged=share)


def distorted(factor: float) -> pl.DataFrame:
    """The log of a policy that states too large propensities for tracks."""
    return LOG.with_columns(propensity=pl.when(IS_CARD).then(pl.col("propensity") * factor).otherwise("propensity"))


def distorted_by_shelf(factor: float) -> pl.DataFrame:
    """Two shelves: of one the propensities are too large, of the other too small, so that the mean is as it should."""
    is_one = pl.col("request") % 2 == 0
    other = pl.when(IS_CARD & is_one).then(factor).when(IS_CARD).then(1 / (2 - 1 / factor)).otherwise(1.0)
    shelf = pl.when(is_one).then(pl.lit("a")).otherwise(pl.lit("b"))
    return LOG.with_columns(propensity=pl.col("propensity") * other, shelf_id=shelf)


def few_requests(number: int) -> pl.DataFrame:
    return LOG.filter(pl.col("request") < number)


def one_heavy(weight: float) -> pl.DataFrame:
    """A request whose weight is so large that it alone is a share of the sum; the others lose what it has more."""
    is_heavy = (pl.col("request") == 7) & (pl.col("position") == 0)
    share = (NUM_SLATES - weight) / (NUM_SLATES - 1)
    first = pl.col("position") == 0
    ratio = pl.when(is_heavy).then(weight).when(first).then(share).otherwise(1.0)
    return LOG.with_columns(target_propensity=ratio * pl.col("propensity"), outcome=IS_CARD.cast(pl.Float64))


def without_outcomes(number: int) -> pl.DataFrame:
    return LOG.with_columns(outcome=(IS_CARD & (pl.col("request") < number)).cast(pl.Float64))


CASES: dict[str, tuple[Callable[[], pl.DataFrame], Callable[[], pl.DataFrame]]] = {
    "choices without a propensity": (lambda: without_propensity(0.0015), lambda: without_propensity(0.0009)),
    "random requests": (lambda: of_chance(0.009), lambda: of_chance(0.011)),
    "target outside the log": (lambda: beyond_the_log(0.0101), lambda: beyond_the_log(0.0099)),
    "calibration p": (lambda: distorted_by_shelf(1.1), lambda: distorted_by_shelf(1.005)),
    "mean weight": (lambda: distorted(1.05), lambda: distorted(1.002)),
    "effective requests": (lambda: few_requests(1_050), lambda: few_requests(1_300)),
    "largest weight": (lambda: one_heavy(210.0), lambda: one_heavy(190.0)),
    "outcomes": (lambda: without_outcomes(0), lambda: without_outcomes(30)),
}


def test_a_good_log_has_no_reason_and_a_value() -> None:
    checks = checks_of(LOG)
    assert checks.reasons() == []
    assert rips(checks.sums)[0] == pytest.approx(WORLD.value(), rel=0.15)


@pytest.mark.parametrize("name", CASES)
def test_a_planted_log_is_refused_and_one_just_inside_is_not(name: str) -> None:
    outside, inside = CASES[name]
    assert name in refused(outside())
    assert name not in refused(inside())


def test_the_share_of_effective_requests_counts_too() -> None:
    far = PlantedWorld.draw(3, 10, 1.5).log(1, 30_000)
    checks = checks_of(far)
    least = min(checks.examined, key=lambda one: one.effective_share)
    assert least.effective_share < 0.05 and "effective requests" in refused(far)


def test_a_target_that_the_log_does_not_know_of_shows_in_the_mean_weight() -> None:
    """Half of the target's probability lies on an item that the log never shows."""
    assert {"mean weight", "calibration p"} <= refused(
        LOG.with_columns(
            target_propensity=pl.when(pl.col("position") == 0)
            .then(pl.col("target_propensity") / 2)
            .otherwise("target_propensity")
        )
    )


def test_logs_of_the_right_propensities_are_rarely_refused() -> None:
    """Of 12 good logs none, or one at most: three standard errors, and p below .001."""
    found = [refused(PlantedWorld.draw(seed, 5, 0.3).log(seed, 3_000)) for seed in range(12)]
    assert sum(bool(one) for one in found) <= 1, found
