"""Leak checks: figures that no system can reach which sees nothing after the cutoff."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from pipelines.evaluation.figures import EstimateKey, Estimates

# Where systems that see nothing after the cutoff lie is measured in tests/quality; the limits are well above.
_MAX_FUTURE_POPULARITY = 0.25
_MAX_LATE_ARRIVALS = 3.0
_MAX_ACCURACY_RATIO = 5.0
_MIN_LATE_USERS = 5
SENTENCES = {
    "future_rise": "how much the tracks that the lists show rose after the cutoff by the plays of others, as a share of"
    " how much the 100 that rose most did: a list cannot know what is about to be popular",
    "late": "recall@100 of plays from before the cutoff that became known after it, over recall@100 of discoveries: a"
    " list cannot know them better than other tracks the user had not played",
    "ahead": "NDCG@10 on discoveries over the median of all systems that find any: so far ahead, look for the target in"
    " the features or in the history",
}


def find_leaks(abouts: Sequence[Mapping[str, Any]], figures: Estimates, systems: Sequence[str]) -> list[dict[str, Any]]:
    """Return every check of every system; one that cannot be made (no late plays) is left out."""
    leaks = []
    ahead = {system: _value(figures, EstimateKey(system, "ndcg@10", "discoveries")) for system in systems}
    usual = median([value for value in ahead.values() if value] or [0.0])
    for system in systems:
        rises = [
            row["value"]
            for about in abouts
            for row in about["catalogue"]
            if row["system"] == system and row["metric"] == "future_rise" and row["value"] is not None
        ]
        if rises:
            leaks.append(_check(system, "future_rise", sum(rises) / len(rises), _MAX_FUTURE_POPULARITY))
        late = figures.figure(EstimateKey(system, "recall@100", "late"))
        discovered = _value(figures, EstimateKey(system, "recall@100", "discoveries"))
        if late and discovered and late.users >= _MIN_LATE_USERS:
            # by the lower end of the interval: late plays are few
            leaks.append(_check(system, "late", late.low / discovered, _MAX_LATE_ARRIVALS))
        if usual:
            leaks.append(_check(system, "ahead", ahead[system] / usual, _MAX_ACCURACY_RATIO))
    return leaks


def _value(figures: Estimates, key: EstimateKey) -> float:
    figure = figures.figure(key)
    return figure.value if figure else 0.0


def _check(system: str, check: str, value: float, limit: float) -> dict[str, Any]:
    return {
        "system": system,
        "check": check,
        "value": value,
        "limit": limit,
        "is_suspect": value > limit,
        "sentence": SENTENCES[check],
    }
