"""The flags of the commands that look after published runs."""

import argparse
import re
from dataclasses import dataclass

from pipelines.options.flag_kinds import parse_file_name, parse_positive
from pipelines.options.options import flag


def _parse_day(text: str) -> str:
    """Read a day."""
    if text and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-11-23")
    return text


def _parse_yes_or_no(text: str) -> bool:
    """Read yes or no."""
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return text == "yes"


def _parse_hours(text: str) -> float:
    """Read a number of hours, 0 or above."""
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hours")
    return float(text)


@dataclass(frozen=True, kw_only=True)
class RunsOptions:
    """homeshelf runs: list the runs below an output folder, and what became of each."""

    output: str = flag("folder of the runs, as homeshelf run has it")
    json: bool = flag("yes: one JSON object a line, for scripts", False, kind=_parse_yes_or_no)


@dataclass(frozen=True, kw_only=True)
class RollbackOptions:
    """homeshelf rollback: point to an earlier run."""

    output: str = flag("folder of the runs")
    day: str = flag("the day; default: the newest that has a pointer", "", kind=_parse_day)
    run: str = flag(
        "ID of the run to point to; default: the one published before; none: the day is withdrawn",
        "",
        kind=parse_file_name,
    )


@dataclass(frozen=True, kw_only=True)
class EraseOptions:
    """homeshelf erase: take users out of all published runs, and prove that none is left."""

    output: str = flag("folder of the runs")
    users: str = flag("who is to be forgotten: Parquet with user_id; a file, a folder or a pattern")
    grace_hours: float = flag(
        "unfinished runs that hold them are deleted once untouched for so long", 48.0, kind=_parse_hours
    )


@dataclass(frozen=True, kw_only=True)
class PruneOptions:
    """homeshelf prune: delete old runs and what dead attempts left, but nothing that a kept day's pointer names."""

    output: str = flag("folder of the runs")
    keep: int = flag("published runs to keep, the newest", 7, kind=parse_positive)
    grace_hours: float = flag(
        "what is not published is left alone until it was untouched for so long", 48.0, kind=_parse_hours
    )
    dry_run: bool = flag("yes: only say what would be deleted", False, kind=_parse_yes_or_no)
