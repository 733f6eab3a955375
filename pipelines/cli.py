"""The console script: homeshelf COMMAND --flags."""

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

from pipelines.commands import COMMANDS
from pipelines.diagnostics import FLAGS, diagnosed, log_traceback
from pipelines.options.options import UsageError
from pipelines.options.spelling import suggest, with_underscores
from pipelines.rendering.output import abandon_output, say_error, show_any_character
from transforms.tables.failures import Failure, HomeshelfError, find_failure, last_error_line

# Exit status of a program that SIGINT ended.
INTERRUPTED = 130
_BUG = "this is a bug of homeshelf; -v prints where, --log_file=PATH writes it to a file"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status (see docs/reference/commands.md)."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    show_any_character()
    try:
        with diagnosed(with_underscores(rest)) as flags:
            return _run(name, flags)
    except KeyboardInterrupt:
        say_error("interrupted")
        return INTERRUPTED
    except Exception as error:
        failure = _failure_of(error)
        say_error(f"{failure.label}: {failure.message}")
        return failure.exit_status


def _run(name: str, flags: Sequence[str]) -> int:
    """Run a command; the traceback of an error is logged."""
    try:
        if name in ("--help", "-h"):
            print(usage())
            status = 0
        elif name == "--version":
            print(f"homeshelf {version('homeshelf')}")
            status = 0
        else:
            status = _load(name)(flags)
        sys.stdout.flush()
        return status
    except Exception as error:
        log_traceback(error)
        if isinstance(error, OSError):
            abandon_output()
        raise


def _failure_of(error: Exception) -> Failure:
    """Return what an error is to the user: its own failure, a refusal of the system, or a bug."""
    found = find_failure(error)
    if found is not None:
        return found
    text = last_error_line(error)
    is_refusal = isinstance(error, OSError) or "[Errno " in text
    return Failure(HomeshelfError.exit_status, HomeshelfError.label, text if is_refusal else f"{text}; {_BUG}")


def usage() -> str:
    """Return the text of homeshelf --help."""
    lines = "\n".join(f"  {command.options.__doc__}" for command in COMMANDS)
    flags = "\n".join(f"  {name}: {what}" for name, what in FLAGS.items())
    return (
        f"homeshelf: every listener's Home page of music shelves, in batch\n\n{lines}\n\n"
        "homeshelf COMMAND --help lists a command's flags, homeshelf --version prints the version.\n"
        "Flags of all commands:\n"
        f"{flags}"
    )


def _load(name: str) -> Callable[[Sequence[str]], int]:
    """Import the function of a command (UsageError: there is no such command, or its extra is not installed)."""
    command = next((one for one in COMMANDS if one.name == name), None)
    if command is None:
        hint = suggest(name, [one.name for one in COMMANDS])
        raise UsageError(f"unknown command {name!r}{hint}; homeshelf --help lists them")
    try:
        return command.load()
    except ModuleNotFoundError as error:
        if not command.extra:
            raise
        raise UsageError(f"{error}: pip install 'homeshelf[{command.extra}]' brings what it needs") from error


if __name__ == "__main__":
    sys.exit(main())
