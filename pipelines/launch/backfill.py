"""homeshelf backfill: a run for each day of a span, the oldest first."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone

from pipelines.configuration.config_file import PREFIX
from pipelines.inputs.run_folders import list_run_folders
from pipelines.options.beam_flags import use_object_stores
from pipelines.options.options import RunOptions, UsageError
from pipelines.options.parsing import as_flags
from pipelines.options.setup_options import BackfillOptions, run_options
from pipelines.rendering.output import say
from transforms.plugins import VARIABLE


def run_days(options: BackfillOptions, beam_flags: Sequence[str]) -> int:
    """Run each day that has no pages, in a process of its own; return the status of the first that fails.

    A day's pages are those of the midnight that ends it, and weekly shelves keep their tracks within a week.

    Raises:
        UsageError: the days are in the wrong order, or a flag is given that each day has for itself.
    """
    first, last = date.fromisoformat(options.first_day), date.fromisoformat(options.last_day)
    if first > last:
        raise UsageError(f"--first_day={first} is after --last_day={last}")
    if options.as_of or options.run_id:
        raise UsageError("--as_of and --run_id: each day has its own")
    if options.state:
        raise UsageError("--state: backfill reads all events each day; start `homeshelf run` with the events of a day")
    use_object_stores(beam_flags)
    has_pages = {run.day for run in list_run_folders(options.output).runs if run.state == "current"}
    for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
        if f"{day}" in has_pages:
            say(f"{day} has pages")
        elif status := _run([*as_flags(options_of_day(options, day)), *beam_flags], os.environ):
            return status
    return 0


def options_of_day(options: BackfillOptions, day: date) -> RunOptions:
    """Return the options of the run of one day."""
    shared = run_options(options)
    as_of = datetime.combine(day + timedelta(days=1), time(), timezone.utc)
    return replace(shared, as_of=as_of, carry_over_from=options.carry_over_from or options.output)


def _run(flags: Sequence[str], environment: Mapping[str, str]) -> int:
    """Start homeshelf run and wait for it; what variables say of flags stands in these already."""
    env = {name: value for name, value in environment.items() if name == VARIABLE or not name.startswith(PREFIX)}
    return subprocess.run([sys.executable, "-m", "pipelines.cli", "run", *flags], env=env).returncode
