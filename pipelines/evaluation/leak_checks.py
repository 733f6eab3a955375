"""Leak checks: measures that no system can reach if it sees nothing after the cutoff."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from pipelines.evaluation.estimates import EstimateKey, Estimates
from pipelines.evaluation.report_data import Leak
from transforms.evaluation.write_metrics import CutoffSummary

_MIN_LATE_USERS = 5


@dataclass(frozen=True)
class LeakInputs:
    """Measures that the checks read: summaries of all cutoffs, their estimates, and the systems to check."""

    summaries: Sequence[CutoffSummary]
    estimates: Estimates
    systems: Sequence[str]

    def value(self, system: str, metric: str, targets: str) -> float:
        """Return a mean; 0 where no user counts."""
        estimate = self.estimates.estimate(EstimateKey(system, metric, targets))
        return estimate.value if estimate else 0.0


@dataclass(frozen=True)
class LeakCheck:
    """A value that is above its limit only if a system saw the future; None where it cannot be computed."""

    name: str
    limit: float
    sentence: str
    value: Callable[[LeakInputs, str], float | None]


def _future_rise(inputs: LeakInputs, system: str) -> float | None:
    """Compute the mean over cutoffs of how much the listed tracks rose afterwards."""
    values = [summary.catalogue_value(system, "future_rise") for summary in inputs.summaries]
    rises = [value for value in values if value is not None]
    return sum(rises) / len(rises) if rises else None


def _late(inputs: LeakInputs, system: str) -> float | None:
    """Compare recall of plays that arrived late with that of discoveries, by the lower end of the interval."""
    late = inputs.estimates.estimate(EstimateKey(system, "recall@100", "late"))
    discovered = inputs.value(system, "recall@100", "discoveries")
    return late.low / discovered if late and discovered and late.users >= _MIN_LATE_USERS else None


def _ahead(inputs: LeakInputs, system: str) -> float | None:
    """Compare NDCG on discoveries with the median of all systems that find any."""
    values = {one: inputs.value(one, "ndcg@10", "discoveries") for one in inputs.systems}
    usual = median([value for value in values.values() if value] or [0.0])
    return values[system] / usual if usual else None


# Values of systems that see nothing after the cutoff are measured in tests/quality; the limits are well above them.
LEAK_CHECKS = (
    LeakCheck(
        "future_rise",
        0.25,
        "rise of the listed tracks after the cutoff, in plays of other users, as a share of the rise of the 100 tracks"
        " that rose most: a list cannot know which tracks are about to become popular",
        _future_rise,
    ),
    LeakCheck(
        "late",
        3.0,
        "recall@100 of plays from before the cutoff that arrived after it, divided by recall@100 of discoveries: a list"
        " cannot know these plays better than other tracks that the user had not played",
        _late,
    ),
    LeakCheck(
        "ahead",
        5.0,
        "NDCG@10 on discoveries divided by the median of all systems that find any: if it is this high, look for the"
        " target among the features or in the history",
        _ahead,
    ),
)


def find_leaks(inputs: LeakInputs) -> list[Leak]:
    """Return every check of every system that can be computed."""
    return [
        Leak(system, check.name, value, check.limit, value > check.limit, check.sentence)
        for system in inputs.systems
        for check in LEAK_CHECKS
        if (value := check.value(inputs, system)) is not None
    ]
