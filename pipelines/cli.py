"""The console script: homeshelf run | preview | check | runs | rollback | prune | evaluate | compare | sample."""

import logging
import sys
from collections.abc import Callable, Sequence

from pipelines.housekeeping_options import PruneOptions, RollbackOptions, RunsOptions
from pipelines.options import CompareOptions, EvaluateOptions, RunOptions, SampleOptions, UsageError
from pipelines.published_options import CheckOptions, PreviewOptions

# What Beam warns of at every start: that libraries are absent which nothing here asks for.
NO_NEWS = ("apitools not found", "Resource module is not available")
USAGE = f"""homeshelf: every listener's Home page of music shelves, in batch

  {RunOptions.__doc__}
  {PreviewOptions.__doc__}
  {CheckOptions.__doc__}
  {RunsOptions.__doc__}
  {RollbackOptions.__doc__}
  {PruneOptions.__doc__}
  {EvaluateOptions.__doc__}
  {CompareOptions.__doc__}
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


def _evaluate() -> Callable[[Sequence[str]], int]:
    try:
        from pipelines.evaluation import run as evaluate
    except ModuleNotFoundError as error:
        raise UsageError(f"{error}: pip install 'homeshelf[evaluate]' brings what evaluations need") from error
    return evaluate


def _command(name: str) -> Callable[[Sequence[str]], int]:
    # imported when asked for: Beam takes seconds to load
    if name == "run":
        from pipelines.launch import run

        return run
    if name == "preview":
        from pipelines.preview import run as preview

        return preview
    if name == "check":
        from pipelines.check import run as check

        return check
    if name in ("runs", "rollback", "prune"):
        from pipelines import housekeeping

        return {"runs": housekeeping.list_runs, "rollback": housekeeping.rollback, "prune": housekeeping.prune}[name]
    if name == "evaluate":
        return _evaluate()
    if name == "compare":
        from pipelines.comparison import run as compare

        return compare
    if name == "sample":
        from pipelines.sample import run as sample

        return sample
    raise UsageError(f"unknown command {name!r}; homeshelf --help lists them")


if __name__ == "__main__":
    sys.exit(main())
