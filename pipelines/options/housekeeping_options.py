"""Flags of the commands that manage published runs."""

import re
from dataclasses import dataclass

from pipelines.options.flag_kinds import parse_day, parse_file_name, parse_positive
from pipelines.options.options import flag, path_flag, switch


def _parse_run_name(text: str) -> str:
    """Parse a run, run=ID or ID, to the name of its folder."""
    return f"run={parse_file_name(text.removeprefix('run='))}" if text else ""


def _parse_hours(text: str) -> float:
    """Parse a number of hours of 0 or more."""
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise ValueError(f"{text!r} is no number of hours")
    return float(text)


@dataclass(frozen=True, kw_only=True)
class RunsOptions:
    """homeshelf runs: lists the runs of an output folder."""

    output: str = path_flag("output folder of the runs, as given to homeshelf run")
    json: bool = switch("prints one JSON object per line, for scripts")


@dataclass(frozen=True, kw_only=True)
class RollbackOptions:
    """homeshelf rollback: points a day to an earlier run."""

    output: str = path_flag("output folder of the runs")
    day: str = flag(
        "day to roll back; default: the newest day with a pointer, or with the run that another flag names",
        "",
        kind=parse_day,
    )
    to: str = flag(
        "run to point to, as `homeshelf runs` prints it or its ID; default: the run published before; if there is none,"
        " the pointer of the day is removed",
        "",
        kind=_parse_run_name,
        alias="run",
    )
    from_: str = flag(
        "run to leave: nothing happens if the pointer does not name it, as in a second attempt of the same command",
        "",
        kind=_parse_run_name,
    )


@dataclass(frozen=True, kw_only=True)
class EraseOptions:
    """homeshelf erase: removes users from all published runs."""

    output: str = path_flag("output folder of the runs")
    erased_users: str = path_flag(
        "users to erase: a table with user_id; a file, a folder or a glob pattern", alias="users"
    )
    state: str = path_flag("state of `homeshelf run --state` to erase from, besides those that manifests name", "")
    grace_hours: float = flag(
        "hours without a write after which unfinished runs that contain the users are deleted", 48.0, kind=_parse_hours
    )


@dataclass(frozen=True, kw_only=True)
class PruneOptions:
    """homeshelf prune: deletes old runs and leftovers."""

    output: str = path_flag("output folder of the runs")
    keep: int = flag("number of published runs to keep, the newest", 7, kind=parse_positive)
    grace_hours: float = flag(
        "hours without a write after which unpublished files are deleted", 48.0, kind=_parse_hours
    )
    dry_run: bool = switch("only prints what would be deleted")
