"""Flags of homeshelf run and of the commands around it: init, validate and backfill."""

from dataclasses import dataclass, fields

from pipelines.options.flag_kinds import parse_day, parse_positive
from pipelines.options.options import EventOptions, InputOptions, RunOptions, flag, path_flag, switch


@dataclass(frozen=True, kw_only=True)
class InitOptions(InputOptions):
    """homeshelf init: writes a file of flags, guessed from your tables."""

    file: str = path_flag("file to write, which --config reads", "homeshelf.yaml")
    output: str = path_flag("folder for the runs, as the file will say", "out/home")


@dataclass(frozen=True, kw_only=True)
class ValidateOptions(EventOptions, InputOptions):
    """homeshelf validate: counts what a run of your tables would reject or not find."""

    rules: str = path_flag("YAML file of page rules", "")
    num_rows: int = flag("number of first rows shown of each table", 3, kind=parse_positive)


@dataclass(frozen=True, kw_only=True)
class LaunchOptions(RunOptions):
    """homeshelf run: turns events into pages."""

    dry_run: bool = switch("checks flags and input, prints what the run would do, and writes nothing")


@dataclass(frozen=True, kw_only=True)
class BackfillOptions(RunOptions):
    """homeshelf backfill: runs each day without pages."""

    first_day: str = flag("first day, such as 2025-12-25", kind=parse_day)
    last_day: str = flag("last day", kind=parse_day)


def run_options(options: RunOptions) -> RunOptions:
    """Return the flags of a run, without those that a command adds to them."""
    return RunOptions(**{one.name: getattr(options, one.name) for one in fields(RunOptions)})
