"""The report of a replay as data: every number that is printed or drawn, and its JSON form."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from transforms.evaluation.bootstrap import ComparedValue, percentile_interval
from transforms.experiments.off_policy.choice_sums import NUM_USERS, ChoiceSums
from transforms.experiments.off_policy.estimators import (
    cascade_dr,
    item_position_ips,
    logged_value,
    page_ips,
    page_snips,
    rips,
)
from transforms.experiments.off_policy.refusals import Check, LogChecks, PlaceSupport
from transforms.experiments.off_policy.statistics import CLIPS, clipped_at

_CONFIDENCE = 0.95
# The estimators that speak of the target, and those of whole pages, which only show how little is left of them.
ESTIMATORS: Mapping[str, Callable[[ChoiceSums], np.ndarray]] = {
    "item-position IPS": item_position_ips,
    "RIPS": rips,
    "cascade DR": cascade_dr,
}
DIAGNOSTICS: Mapping[str, Callable[[ChoiceSums], np.ndarray]] = {
    "whole-page SNIPS": page_snips,
    "whole-page IPS": page_ips,
}
_CLIPPED: Mapping[str, Callable[[ChoiceSums, str], np.ndarray]] = {
    "item-position IPS": item_position_ips,
    "RIPS": rips,
}


@dataclass(frozen=True)
class ValueEstimate(ComparedValue):
    """A mean outcome of a request, compared with that of the log."""

    name: str


@dataclass(frozen=True)
class ClippedEstimate:
    """An estimate with weights of at most `most`, and by how much it differs from that with all weights."""

    name: str
    most: float
    value: float
    change: float


@dataclass(frozen=True)
class ReplayReport:
    """Findings of a replay.

    target: what the target is. requests, users: of which every propensity is known. page_effective: effective number of
    whole pages. logged: the mean outcome of the log. estimates, diagnostics, clipped: empty where there is a reason.
    disagreements: estimators whose difference is more than chance. support: of all places; examined: the places with
    nearly all outcomes. reasons: why the log cannot tell; empty: it can.
    """

    command: str
    homeshelf: str
    target: str
    outcome: str
    choices: str
    num_replicates: int
    requests: int
    users: int
    page_effective: float
    logged: ValueEstimate | None
    estimates: Sequence[ValueEstimate]
    diagnostics: Sequence[ValueEstimate]
    clipped: Sequence[ClippedEstimate]
    disagreements: Sequence[str]
    support: Sequence[PlaceSupport]
    examined: Sequence[PlaceSupport]
    checks: Sequence[Check]
    reasons: Sequence[str]


@dataclass(frozen=True)
class ReplayAbout:
    """Subject and settings of a replay, see ReplayReport."""

    command: str
    homeshelf: str
    target: str
    outcome: str
    choices: str
    num_replicates: int


def make_replay_report(about: ReplayAbout, sums: ChoiceSums) -> ReplayReport:
    """Compute the checks, and, where the log passes all of them, the estimates."""
    log = LogChecks(sums)
    checks, reasons = log.checks(), log.reasons()
    requests = sums.of_page("requests")
    weight, squared = (float(sums.of_page(name)[0]) for name in ("page weight", "squared page weight"))
    logged = logged_value(sums) if requests[0] else None
    values = {} if reasons else {name: estimator(sums) for name, estimator in ESTIMATORS.items()}
    whole = {} if reasons else {name: estimator(sums) for name, estimator in DIAGNOSTICS.items()}
    base = np.zeros(1) if logged is None else logged
    return ReplayReport(
        **asdict(about),
        requests=round(requests[0]),
        users=round(sums.of_page(NUM_USERS)[0]),
        page_effective=weight**2 / squared if squared else 0.0,
        logged=None if logged is None else _estimate("the log", logged, logged),
        estimates=[_estimate(name, value, base) for name, value in values.items()],
        diagnostics=[_estimate(name, value, base) for name, value in whole.items()],
        clipped=[] if reasons else _clipped(sums, values),
        disagreements=_disagreements(values),
        support=log.support,
        examined=log.examined,
        checks=checks,
        reasons=reasons,
    )


def _estimate(name: str, value: np.ndarray, logged: np.ndarray) -> ValueEstimate:
    """Return an estimate from its value, plain and in every replicate [1 + R]; users are drawn with all requests."""
    difference = value - logged
    ends = percentile_interval(value[1:], _CONFIDENCE), percentile_interval(difference[1:], _CONFIDENCE)
    return ValueEstimate(float(value[0]), *ends[0], float(difference[0]), *ends[1], name)


def _clipped(sums: ChoiceSums, values: Mapping[str, np.ndarray]) -> list[ClippedEstimate]:
    found = []
    for name, estimator in _CLIPPED.items():
        plain = float(values[name][0])
        for most in CLIPS:
            value = float(estimator(sums, clipped_at(most))[0])
            found.append(ClippedEstimate(name, most, value, value - plain))
    return found


def _disagreements(values: Mapping[str, np.ndarray]) -> list[str]:
    """Return a sentence for each pair of estimators whose paired difference is more than chance."""
    found = []
    for (one, first), (other, second) in combinations(values.items(), 2):
        low, high = percentile_interval((first - second)[1:], _CONFIDENCE)
        if low > 0 or high < 0:
            found.append(
                f"{one} and {other} disagree: {first[0] - second[0]:+.4f} ({low:+.4f} to {high:+.4f}); what stands"
                " before a card matters more, or less, than one of them assumes"
            )
    return found


def replay_report_to_json(report: ReplayReport) -> str:
    """Return the report as JSON; a place is a shelf position and a position."""
    return json.dumps(asdict(report), indent=1)
