"""The console script: homeshelf COMMAND --flags."""

import logging
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from pipelines.options.evaluation_options import CompareOptions, EvaluateOptions
from pipelines.options.housekeeping_options import EraseOptions, PruneOptions, RollbackOptions, RunsOptions
from pipelines.options.options import RunOptions, UsageError
from pipelines.options.published_options import (
    BenchmarkOptions,
    CheckOptions,
    PreviewOptions,
    ReportOptions,
    RewardsOptions,
    SignalOptions,
    WhyOptions,
)
from pipelines.options.sample_options import SampleOptions

# What Beam warns of at every start: that libraries are absent which nothing here asks for.
NO_NEWS = ("apitools not found", "Resource module is not available")
# command -> the module and the function that it is
COMMANDS = {
    "run": ("launch.launch", "run_home_shelves"),
    "preview": ("runs.preview", "run_preview"),
    "report": ("runs.run_report", "run_report"),
    "why": ("explain.why", "run_why"),
    "check": ("check.check", "run_check"),
    "runs": ("runs.housekeeping", "list_runs"),
    "rollback": ("runs.housekeeping", "rollback_run"),
    "prune": ("runs.housekeeping", "prune_runs"),
    "erase": ("runs.erasure", "erase_users"),
    "evaluate": ("evaluation.command", "run"),
    "compare": ("evaluation.comparison", "run"),
    "rewards": ("ranker_study.reward_study", "run_rewards"),
    "benchmark": ("ranker_study.compare", "run_benchmark"),
    "signal": ("signals.command", "run_signal"),
    "sample": ("sample_world.command", "run_sample"),
}
# those that plot or compare
EXTRA = ("evaluate", "report", "benchmark", "signal")
USAGE = f"""homeshelf: every listener's Home page of music shelves, in batch

  {RunOptions.__doc__}
  {PreviewOptions.__doc__}
  {ReportOptions.__doc__}
  {WhyOptions.__doc__}
  {CheckOptions.__doc__}
  {RunsOptions.__doc__}
  {RollbackOptions.__doc__}
  {PruneOptions.__doc__}
  {EraseOptions.__doc__}
  {EvaluateOptions.__doc__}
  {CompareOptions.__doc__}
  {RewardsOptions.__doc__}
  {BenchmarkOptions.__doc__}
  {SignalOptions.__doc__}
  {SampleOptions.__doc__}

homeshelf COMMAND --help lists a command's flags."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 2 for what the user must change, 1 for a run that failed."""
    command, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if command in ("--help", "-h"):
        print(USAGE)
        return 0
    logging.getLogger().addFilter(lambda record: not any(text in record.getMessage() for text in NO_NEWS))
    try:
        return _command(command)(rest)
    except UsageError as error:
        print(f"homeshelf: error: {error}", file=sys.stderr)
        return 2


def _command(name: str) -> Callable[[Sequence[str]], int]:
    """The function behind a command, imported when asked for: Beam takes seconds to load."""
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}; homeshelf --help lists them")
    module, function = COMMANDS[name]
    try:
        return getattr(import_module(f"pipelines.{module}"), function)
    except ModuleNotFoundError as error:
        if name not in EXTRA:
            raise
        raise UsageError(f"{error}: pip install 'homeshelf[evaluate]' brings what it needs") from error


if __name__ == "__main__":
    sys.exit(main())
