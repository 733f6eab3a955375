"""The gate before the pointer: which figures of a run have limits, and which of them this run breaks.

Adding a limit is an entry in LIMITS; docs/reference.md and --limits pick it up.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from transforms.tables.histograms import stability_indexes

GATE_MODES = ("warn", "fail", "off")
# (figures of this run, those of the run before or {}) -> the value; None: there is nothing to hold against it
_Value = Callable[[Mapping[str, Any], Mapping[str, Any]], "float | None"]


class GateFailedError(Exception):
    """A figure is out of its limits and --gate=fail: the pointer was left where it was."""


@dataclass(frozen=True)
class Limit:
    """One figure with its bound: at most `bound`, or with is_least at least so much."""

    name: str
    bound: float
    value: _Value
    sentence: str
    is_minimum: bool = False

    def broken(self, value: float, bound: float) -> bool:
        """Whether a value is out of the limit."""
        return value < bound if self.is_minimum else value > bound


# Of a run that makes no pages.
NO_METRICS = json.dumps(
    dict.fromkeys(("users", "users_with_page", "pages", "empty_pages", "tracks_shown", "tracks"), 0)
    | {"shelves": {}, "tracks_on": {}, "histograms": {}, "new_tracks": {"total": 0, "at_floor": 0}}
)


@dataclass(frozen=True)
class GateSettings:
    """What a run is held to before it is published.

    mode: one of MODES. limits: bounds other than the declared ones, by name. previous: the figures of the run before.
    """

    max_rejected_fraction: float
    mode: str
    limits: Mapping[str, float]
    previous: Mapping[str, Any]


def _share(part: str, whole: str) -> _Value:
    return lambda now, before: now[part] / now[whole] if now[whole] else None


def _change(of: Callable[[Mapping[str, Any]], float], is_drop: bool = False) -> _Value:
    """The relative change since the run before, either way or downwards only."""

    def value(now: Mapping[str, Any], before: Mapping[str, Any]) -> float | None:
        reference = of(before) if before else 0.0
        if not reference:
            return None
        change = of(now) / reference - 1
        return -change if is_drop else abs(change)

    return value


def _rejected(figures: Mapping[str, Any]) -> dict[str, float]:
    """The share of the events that each reason took, of those known."""
    found = figures.get("rejected", {})
    known = figures["events"] + sum(found.values())
    return {reason: n / known for reason, n in found.items() if known}


def _rejected_share(now: Mapping[str, Any], before: Mapping[str, Any]) -> float | None:
    return sum(_rejected(now).values())


def _rejected_rise(now: Mapping[str, Any], before: Mapping[str, Any]) -> float | None:
    """The most that one reason takes beyond what it took in the run before."""
    if not before:
        return None
    earlier = _rejected(before)
    return max((share - earlier.get(reason, 0.0) for reason, share in _rejected(now).items()), default=0.0)


def _shelves(figures: Mapping[str, Any]) -> float:
    return sum(figures["shelves"].values()) / figures["pages"] if figures["pages"] else 0.0


def _shelves_per_page(now: Mapping[str, Any], before: Mapping[str, Any]) -> float | None:
    return _shelves(now) if now["pages"] else None


def _tracks_per_shelf(now: Mapping[str, Any], before: Mapping[str, Any]) -> float | None:
    shelves = sum(now["shelves"].values())
    return sum(now["tracks_on"].values()) / shelves if shelves else None


def _worst(drift: str) -> _Value:
    return lambda now, before: max(now[drift].values(), default=None)


def _mean(drift: str) -> _Value:
    """The mean: single features, such as the days since something, always drift while a log is young."""
    return lambda now, before: sum(now[drift].values()) / len(now[drift]) if now[drift] else None


LIMITS = (
    Limit(
        "users_without_page", 0.0, lambda now, _: now["users"] - now["users_with_page"], "known users without a page"
    ),
    Limit("empty_pages", 0.01, _share("empty_pages", "pages"), "share of pages without a shelf"),
    Limit(
        "shelves_per_page",
        1.0,
        _shelves_per_page,
        "shelves on a page",
        is_minimum=True,
    ),
    Limit("tracks_per_shelf", 2.0, _tracks_per_shelf, "tracks on a shelf", is_minimum=True),
    Limit("coverage", 0.01, _share("tracks_shown", "tracks"), "share of the catalog on any page", is_minimum=True),
    Limit("auc", 0.5, lambda now, _: now["auc"], "AUC of the ranker on held-out examples", is_minimum=True),
    Limit("events_change", 0.5, _change(lambda figures: figures["events"]), "change of the number of events kept"),
    Limit("rejected", 0.02, _rejected_share, "share of the known events that is rejected"),
    Limit("rejected_rise", 0.005, _rejected_rise, "rise of the share that one reason rejects, since the run before"),
    Limit("pages_drop", 0.1, _change(lambda figures: figures["pages"], is_drop=True), "drop of the number of pages"),
    Limit("shelves_change", 0.3, _change(_shelves), "change of the shelves on a page"),
    Limit(
        "coverage_drop", 0.5, _change(lambda figures: figures["tracks_shown"], is_drop=True), "drop of the tracks shown"
    ),
    Limit("drift", 0.5, _worst("drift"), "largest stability index of a feature or the score, since the run before"),
    Limit("training_drift", 1.0, _mean("training_drift"), "mean stability index of the features, training to scoring"),
)


def check_limits(figures: Mapping[str, Any], checks: GateSettings) -> dict[str, Any]:
    """What the manifest says of the gate: every value with its bound, and the sentences of the broken ones."""
    before = checks.previous
    drift = stability_indexes(before["histograms"], figures["histograms"]) if before else {}
    training = stability_indexes(figures["training_histograms"], figures["histograms"])
    full = {**figures, "drift": drift, "training_drift": training}
    values: dict[str, dict[str, float]] = {}
    broken = []
    for limit in LIMITS:
        value, bound = limit.value(full, before), checks.limits.get(limit.name, limit.bound)
        if value is None:
            continue
        values[limit.name] = {"value": round(float(value), 6) + 0.0, "bound": bound}
        if limit.broken(value, bound):
            broken.append(f"{limit.name} is {value:.4g}, {'at least' if limit.is_minimum else 'at most'} {bound:g}")
    is_fatal = checks.mode == "fail"
    found = [] if checks.mode == "off" else broken
    return {
        "mode": checks.mode,
        "values": values,
        "drift": drift,
        "training_drift": training,
        "broken": found,
        "failed": found if is_fatal else [],
    }
