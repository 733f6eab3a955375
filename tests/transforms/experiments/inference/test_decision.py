"""The rule: every combination of signs of two success metrics and two guardrails, early and at the planned end."""

from itertools import product

import pytest

from transforms.experiments.inference.decision import (
    BLOCKED,
    CONTINUE,
    DO_NOT_SHIP,
    DO_SHIP,
    GUARDRAIL,
    SUCCESS,
    Interval,
    decide,
)

# low, high
SUCCESSES = {"better": (0.01, 0.03), "unclear": (-0.01, 0.01), "worse": (-0.03, -0.01)}
# with a margin of .02
GUARDRAILS = {
    "better": (0.01, 0.02),
    "not inferior": (-0.01, 0.01),
    "a little worse": (-0.015, -0.005),
    "unclear": (-0.03, 0.01),
    "harmed": (-0.06, -0.03),
}
SAFE = ("better", "not inferior", "a little worse")


@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize("one", SUCCESSES)
@pytest.mark.parametrize("two", SUCCESSES)
def test_every_combination(one: str, two: str, is_last: bool) -> None:
    for first, second in product(GUARDRAILS, repeat=2):
        intervals = [Interval(f"s{number}", SUCCESS, *SUCCESSES[name]) for number, name in enumerate((one, two))]
        intervals += [
            Interval(f"g{number}", GUARDRAIL, *GUARDRAILS[name], 0.02) for number, name in enumerate((first, second))
        ]
        if "better" in (one, two) and first in SAFE and second in SAFE:
            expected = DO_SHIP
        elif is_last or "harmed" in (first, second) or (one, two) == ("worse", "worse"):
            expected = DO_NOT_SHIP
        else:
            expected = CONTINUE
        found = decide(intervals, is_last_look=is_last)
        assert found.verdict == expected, (one, two, first, second)
        assert found.reasons
        assert decide(intervals, is_last_look=is_last, blocked_by=["sample ratio"]).verdict == BLOCKED


def test_no_data_ships_nothing() -> None:
    everything = (float("-inf"), float("inf"))
    assert decide([Interval("s", SUCCESS, *everything)], is_last_look=False).verdict == CONTINUE
    better = Interval("s", SUCCESS, 0.1, 0.2)
    assert decide([better, Interval("g", GUARDRAIL, *everything, 0.02)], is_last_look=True).verdict == DO_NOT_SHIP
    assert decide([better], is_last_look=False).verdict == DO_SHIP


def test_a_success_metric_that_is_worse_is_named() -> None:
    found = decide([Interval("a", SUCCESS, 0.1, 0.2), Interval("b", SUCCESS, -0.2, -0.1)], is_last_look=True)
    assert found.verdict == DO_SHIP and "b is significantly worse" in found.reasons
