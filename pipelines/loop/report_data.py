"""A loop as data: every number that is printed or drawn, and its JSON form."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

import numpy as np

from pipelines.loop.day_counts import DayCounts, draw_curves
from pipelines.loop.loop import LoopLog, Stop
from pipelines.options.loop_options import LoopOptions

# Counts by listener and day whose differences between arms have intervals.
COMPARED = {
    "listening_days": "is_listening",
    "listens": "listens",
    "discoveries": "new_tracks",
}
_CONFIDENCE_ERRORS = 1.96


@dataclass(frozen=True)
class ArmDifference:
    """A mean by listener and day of an arm, and what it is above that of the first arm, with its 95 % interval."""

    arm: str
    metric: str
    control: float
    value: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class LoopReport:
    """Everything that a loop found.

    arms: flags of each arm by name, in order; None: it recommends nothing. curves: values by arm, curve and day; None
    where there is none. faults: (day, kind, share) as they were injected.
    """

    homeshelf: str
    command: str
    days: int
    users: int
    tracks: int
    is_shared: bool
    arms: Mapping[str, Sequence[str] | None]
    curves: Mapping[str, Mapping[str, Sequence[float | None]]]
    differences: Sequence[ArmDifference]
    stops: Sequence[Stop]
    faults: Sequence[tuple[int, str, float]]

    def ends(self, arm: str, curve: str) -> tuple[float | None, float | None]:
        """Return the first and the last value that there is."""
        known = [value for value in self.curves[arm][curve] if value is not None]
        return (known[0], known[-1]) if known else (None, None)


def make_loop_report(options: LoopOptions, log: LoopLog, command: str) -> LoopReport:
    """Make the report of a loop."""
    curves = {
        arm.name: draw_curves(days, log.was_listening[days[0].users])
        for arm, days in zip(log.arms, log.counts, strict=True)
    }
    return LoopReport(
        homeshelf=version("homeshelf"),
        command=command,
        days=options.num_days,
        users=options.num_users,
        tracks=options.num_tracks,
        is_shared=options.shared,
        arms={arm.name: arm.flags for arm in log.arms},
        curves=curves,
        differences=[
            contrast_arms(arm.name, metric, log.counts[0], days, is_paired=not options.shared)
            for arm, days in zip(log.arms[1:], log.counts[1:], strict=True)
            for metric in COMPARED
        ],
        stops=log.stops,
        faults=options.faults,
    )


def contrast_arms(
    arm: str, metric: str, control: Sequence[DayCounts], treatment: Sequence[DayCounts], *, is_paired: bool
) -> ArmDifference:
    """Compare the mean of a metric by listener and day; is_paired: both arms have the same listeners."""
    name = COMPARED[metric]
    before, after = (np.mean([day.by_user[name] for day in days], axis=0) for days in (control, treatment))
    if is_paired:
        error = _error_of_mean(after - before)
    else:
        error = float(np.hypot(_error_of_mean(before), _error_of_mean(after)))
    middle, reach = float(after.mean() - before.mean()), _CONFIDENCE_ERRORS * error
    return ArmDifference(arm, metric, float(before.mean()), float(after.mean()), middle, middle - reach, middle + reach)


def _error_of_mean(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def loop_report_to_json(report: LoopReport) -> str:
    """Return the report as JSON; numbers that do not exist are null."""
    return json.dumps(asdict(report), indent=1, allow_nan=False)
