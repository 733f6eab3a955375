"""Flags of the command loop."""

from dataclasses import dataclass
from datetime import datetime, timezone

from pipelines.options.flag_kinds import (
    OneOf,
    parse_bounds,
    parse_positive,
    parse_share,
    parse_time,
)
from pipelines.options.options import StageOptions, flag, path_flag, switch

FAULT_KINDS = ("duplicated_impressions", "lost_propensities", "delayed_events")


def parse_faults(text: str) -> tuple[tuple[int, str, float], ...]:
    """Parse day:kind:share of the faults to inject, separated by commas."""
    return tuple(_parse_fault(part) for part in text.split(",") if part)


def _parse_fault(text: str) -> tuple[int, str, float]:
    day, _, rest = text.partition(":")
    kind, _, share = rest.partition(":")
    if kind not in FAULT_KINDS:
        raise ValueError(f"{text!r} is not of the form day:kind:share with {', '.join(FAULT_KINDS)}")
    return parse_positive(day), kind, parse_share(share)


@dataclass(frozen=True, kw_only=True)
class LoopOptions(StageOptions):
    """homeshelf loop: serves a sample world, day by day."""

    output: str = path_flag("folder for the report, the worlds' logs and the runs of every arm")
    arms_file: str = path_flag(
        "YAML file of the arms: a name, and the flags of homeshelf run that differ from those given here, as in"
        " `explorer: {exploration: 0.02}`; `none: off` is an arm without recommendations; the first arm is the one that"
        " others are compared with; default: none, greedy, and an explorer with --exploration=0.02",
        "",
    )
    num_days: int = flag("days that are served", 30, kind=parse_positive)
    num_users: int = flag("number of listeners", 500, kind=parse_positive)
    num_tracks: int = flag("number of tracks", 5_000, kind=parse_positive)
    history_days: int = flag("days of listening before the first served one", 40, kind=parse_positive)
    starts_at: datetime = flag(
        "start of the first served day (UTC)", datetime(2026, 1, 1, tzinfo=timezone.utc), kind=parse_time
    )
    shared: bool = switch(
        "all arms serve one world, whose listeners homeshelf assign divides, as in an A/B test; else each arm serves a"
        " world of its own, which are equal at the start"
    )
    train_every_days: int = flag(
        "days from one training to the next; runs between them use the models of the last", 7, kind=parse_positive
    )
    gate: str = flag(
        "reaction of a run to metrics outside their limits: fail (the pages of the day before are served again), warn"
        " or off",
        "fail",
        kind=OneOf(("warn", "fail", "off")),
    )
    limits: str = flag("limits that replace the default ones, separated by commas: name:bound", "", kind=parse_bounds)
    faults: tuple[tuple[int, str, float], ...] = flag(
        "faults to inject into the log, to see the gate stop the run that reads it: day:kind:share, separated by"
        f" commas; the share of the day's rows; kinds: {', '.join(FAULT_KINDS)}",
        (),
        kind=parse_faults,
    )
    max_processes: int = flag("runs that work at the same time, each in a process of its own", 2, kind=parse_positive)
