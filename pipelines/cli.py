"""The console script: homeshelf COMMAND --flags."""

import logging
import sys
from collections.abc import Callable, Sequence

from pipelines.commands import COMMANDS
from pipelines.options.options import UsageError
from transforms.tables.failures import find_failure

# Exit status of a program that SIGINT ended.
INTERRUPTED = 130
# Beam warns at every start of libraries that are absent and that homeshelf does not use.
_IGNORED_WARNINGS = ("apitools not found", "Resource module is not available")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status (see docs/reference/commands.md)."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("--help", "-h"):
        print(usage())
        return 0
    logging.getLogger().addFilter(lambda record: not any(text in record.getMessage() for text in _IGNORED_WARNINGS))
    try:
        return _load(name)(rest)
    except KeyboardInterrupt:
        print("homeshelf: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        failure = find_failure(error)
        if failure is None:
            raise
        print(f"homeshelf: {failure.label}: {failure.message}", file=sys.stderr)
        return failure.exit_status


def usage() -> str:
    """Return the text of homeshelf --help."""
    lines = "\n".join(f"  {command.options.__doc__}" for command in COMMANDS)
    return (
        f"homeshelf: every listener's Home page of music shelves, in batch\n\n{lines}\n\n"
        "homeshelf COMMAND --help lists a command's flags."
    )


def _load(name: str) -> Callable[[Sequence[str]], int]:
    """Import the function of a command (UsageError: there is no such command, or its extra is not installed)."""
    command = next((one for one in COMMANDS if one.name == name), None)
    if command is None:
        raise UsageError(f"unknown command {name!r}; homeshelf --help lists them")
    try:
        return command.load()
    except ModuleNotFoundError as error:
        if not command.extra:
            raise
        raise UsageError(f"{error}: pip install 'homeshelf[{command.extra}]' brings what it needs") from error


if __name__ == "__main__":
    sys.exit(main())
