"""Flags of the commands experiment and assign."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipelines.options.flag_kinds import parse_file_name, parse_names, parse_positive, parse_share, parse_time
from pipelines.options.options import InputOptions, StageOptions, flag, path_flag

_ARMS = "arms and their shares of the users, in any unit, separated by commas; the first is the control"
_NUMBERED = r"[\w.-]+:\d+(\.\d+)?(,[\w.-]+:\d+(\.\d+)?)*"


def _as_in_run(name: str) -> Any:
    """Declare a flag that homeshelf run has too."""
    declared = StageOptions.__dataclass_fields__[name]
    return field(default=declared.default, metadata=declared.metadata)


def parse_numbered(text: str) -> str:
    """Check the form name:number,name:number; no name may be there twice."""
    names = [pair.partition(":")[0] for pair in text.split(",")]
    if text and (not re.fullmatch(_NUMBERED, text) or len(set(names)) < len(names)):
        raise ValueError(f"{text!r} is not of the form name:number,name:number")
    return text


def parse_arms(text: str) -> str:
    """Check that there are two arms or more, each with a share above 0."""
    parse_numbered(text)
    if len(arms_of(text)) < 2 or min(arms_of(text).values()) <= 0:
        raise ValueError(f"{text!r} does not name two arms or more, each with a share above 0")
    return text


def arms_of(text: str) -> dict[str, float]:
    """Return name and number of each pair of a flag that parse_numbered() checked."""
    pairs = (pair.partition(":") for pair in text.split(",") if pair)
    return {name: float(number) for name, _, number in pairs}


def parse_slice(text: str) -> str:
    """Check the form from:to of a part of [0, 1]."""
    start, end = slice_of(text)
    if start >= end:
        raise ValueError(f"{text!r} is not of the form from:to with from below to")
    return text


def slice_of(text: str) -> tuple[float, float]:
    """Return both ends of a slice."""
    start, _, end = text.partition(":")
    return parse_share(start), parse_share(end)


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions(InputOptions):
    """homeshelf experiment: reads out an A/B test, or plans one."""

    assignments: str = path_flag("assignments table, in the form of --events: the arm of each user", "")
    exposures: str = path_flag(
        "exposures table, in the same form: when a user could first see a difference; default: users are exposed when"
        " they are assigned",
        "",
    )
    assignments_columns: str = flag("mapping of the assignments' columns, in the form of --events_columns", "")
    exposures_columns: str = flag("mapping of the exposures' columns, in the form of --events_columns", "")
    experiment: str = flag("name of the experiment; rows of other experiments are left out; default: all rows", "")
    arms: str = flag(_ARMS, "control:1,treatment:1", kind=parse_arms)
    starts_at: datetime | None = flag(
        "start of the experiment (UTC); default: --num_days before --as_of, for --plan only", None, kind=parse_time
    )
    num_days: int = flag("planned length of the experiment in days, fixed before it starts", 28, kind=parse_positive)
    as_of: datetime | None = flag(
        "moment of the readout (UTC); later rows are not used; default: just after the newest event",
        None,
        kind=parse_time,
    )
    success: tuple[str, ...] = flag(
        "success metrics, separated by commas: one of them must become better",
        ("listening_days", "reward"),
        kind=parse_names,
    )
    guardrails: str = flag(
        "guardrails and the share of the control's value that each may lose, separated by commas: name:margin",
        "skip_share:0.02,new_artists:0.05,coverage:0.02,artist_concentration:0.02,deep_share:0.05",
        kind=parse_numbered,
    )
    alpha: float = flag("two-sided error rate of all success metrics together, over all looks", 0.05, kind=parse_share)
    power: float = flag("probability to decide rightly, for --plan", 0.8, kind=parse_share)
    covariate_days: int = flag(
        "days before the exposure whose values of the same metric explain differences between users (CUPED)",
        28,
        kind=parse_positive,
    )
    plan: float | None = flag(
        "plans an experiment instead of reading one out: the improvement of the success metrics, as a share, that it"
        " should find; needs no assignments",
        None,
        kind=parse_share,
    )
    max_rejected_fraction: float = flag(
        "maximum share of assignments or exposures rejected as invalid; the command fails above it",
        0.05,
        kind=parse_share,
    )
    output: str = path_flag("folder for readout.html, readout.json, readout.md and the table user_days")
    min_played_at: datetime = _as_in_run("min_played_at")
    match_recordings: bool = _as_in_run("match_recordings")
    max_user_events: int = _as_in_run("max_user_events")
    num_buckets: int = _as_in_run("num_buckets")


@dataclass(frozen=True, kw_only=True)
class AssignOptions:
    """homeshelf assign: assigns users to the arms of an experiment."""

    users_table: str = path_flag("users to assign (Parquet with user_id), in the form of --events of homeshelf run")
    users_table_columns: str = flag("mapping of the columns of the user table: user_id:theirs", "")
    experiment: str = flag("name of the experiment: the salt that shuffles its users", kind=parse_file_name)
    arms: str = flag(_ARMS, "control:1,treatment:1", kind=parse_arms)
    layer: str = flag(
        "name of the layer: experiments on different slices of one layer have no user in common; experiments on two"
        " layers are independent",
        "home",
        kind=parse_file_name,
    )
    within: str = flag("slice of the layer that the experiment takes, from:to", "0:1", kind=parse_slice)
    assigned_at: datetime = flag("time of the assignment (UTC)", kind=parse_time)
    file: str = path_flag("Parquet file to write, an assignments table")
