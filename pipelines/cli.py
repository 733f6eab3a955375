"""The console script: homeshelf COMMAND --flags."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from cyclopts import App

from pipelines.command import Command
from pipelines.commands import COMMANDS
from pipelines.configuration.config_file import Layers, config_path, read_layers
from pipelines.configuration.use_plugins import use_plugins
from pipelines.diagnostics import diagnosed, log_traceback
from pipelines.options.common_options import CommonOptions
from pipelines.options.options import UsageError
from pipelines.options.parsing import add_flags, flag_name, new_app, run_app, unknown_flag
from pipelines.options.spelling import beam_flag_names, name_of, with_underscores
from pipelines.rendering.output import abandon_output, say_error, show_any_character
from transforms.tables.failures import Failure, HomeshelfError, find_failure, last_error_line

# Exit status of a program that SIGINT ended.
INTERRUPTED = 130
_COMPLETION = "--install_completion"
# What prints the list of the commands, each with its sentence.
_LISTING = ("", "-h", "--help")
_BUG = "this is a bug of homeshelf; -v prints where, --log_file=PATH writes it to a file"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status (see docs/reference/commands.md)."""
    show_any_character()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        say_error("interrupted")
        return INTERRUPTED
    except Exception as error:
        failure = _failure_of(error)
        say_error(f"{failure.label}: {failure.message}")
        return failure.exit_status


def build_app(named: str) -> App:
    """Return the command line: all commands, the named one with its flags, for which the others need no time."""
    app = new_app("homeshelf", "Every listener's Home page of music shelves, in batch.")
    app.version, app.version_flags = _version, ("--version",)
    for one in COMMANDS:
        if named in (one.name, _COMPLETION):
            own = new_app(one.name, one.sentence, f"Usage: {one.usage} --flag=value ...", _examples(one))
            app.command(add_flags(own, one.options, CommonOptions))
        else:
            app.command(new_app(one.name, one.sentence if named in _LISTING else ""))
    app.register_install_completion_command(_COMPLETION)
    return app


def _version() -> str:
    # its module takes as long as the rest of homeshelf --help
    from importlib.metadata import version

    return f"homeshelf {version('homeshelf')}"


def _examples(command: Command) -> str | None:
    lines = "\n".join(f"  {line}" for line in command.examples)
    return f"Examples:\n\n{lines}" if lines else None


@dataclass(frozen=True)
class ParsedCommand:
    """A command line: the command, its flags and those of all commands, Beam's, and where each flag is from."""

    command: Command
    options: Any
    common: CommonOptions
    beam_flags: list[str]
    places: Mapping[str, str]


def parse_command(argv: Sequence[str]) -> ParsedCommand | None:
    """Parse a command line, the file of flags that it names, and the environment; None: it asked for help.

    Raises:
        UsageError: a flag is missing or invalid, or none of the command's.
    """
    argv = with_underscores(argv)
    app, layers = build_app("".join(argv[:1])), _find_layers(argv)
    layers.apply_to(app)
    parsed, beam_flags = run_app(app, argv)
    if not isinstance(parsed, tuple):
        return None
    options, common = parsed
    command = next(one for one in COMMANDS if one.name == argv[0])
    _check_beam_flags(command, beam_flags)
    if command.takes_beam_flags:
        beam_flags = [*layers.beam_flags(beam_flag_names()), *beam_flags]
    return ParsedCommand(command, options, common, beam_flags, layers.places)


def _run(argv: Sequence[str]) -> int:
    """Parse the command line and run its command; the traceback of an error is logged."""
    parsed = parse_command(argv)
    if parsed is None:
        return 0
    if parsed.common.print_config:
        from pipelines.configuration.print_config import config_lines

        print("\n".join(config_lines(parsed.options, parsed.places)))
        return 0
    with diagnosed(parsed.common):
        try:
            use_plugins(parsed.common.plugins)
            function = _load(parsed.command)
            given = (parsed.options, parsed.beam_flags) if parsed.command.takes_beam_flags else (parsed.options,)
            status = function(*given)
            sys.stdout.flush()
            return status
        except Exception as error:
            log_traceback(error)
            if isinstance(error, OSError):
                abandon_output()
            raise


def _find_layers(argv: Sequence[str]) -> Layers:
    """Read the file of flags that a command line names (UsageError: it cannot be read, or a flag in it is none)."""
    path = config_path(argv)
    if not path or all(command.name != argv[0] for command in COMMANDS):
        return Layers()
    flags = {command.name: {flag_name(one) for one in fields(command.options)} for command in COMMANDS}
    return read_layers(path, argv[0], flags, beam_flag_names())


def _check_beam_flags(command: Command, given: Sequence[str]) -> None:
    """Check the names of what a command leaves to Beam (UsageError: one is neither its flag nor Beam's)."""
    names = beam_flag_names() if command.takes_beam_flags and given else set()
    for one in given:
        if name_of(one).removeprefix("--") not in names and (one.startswith("-") or not names):
            raise unknown_flag(command.options, one)


def _failure_of(error: Exception) -> Failure:
    """Return what an error is to the user: its own failure, a refusal of the system, or a bug."""
    found = find_failure(error)
    if found is not None:
        return found
    text = last_error_line(error)
    is_refusal = isinstance(error, OSError) or "[Errno " in text
    return Failure(HomeshelfError.exit_status, HomeshelfError.label, text if is_refusal else f"{text}; {_BUG}")


def _load(command: Command) -> Callable[..., int]:
    """Import the function of a command (UsageError: its extra is not installed)."""
    try:
        return command.load()
    except ModuleNotFoundError as error:
        if not command.extra:
            raise
        raise UsageError(f"{error}: pip install '.[{command.extra}]', beside setup.py, brings what it needs") from error


if __name__ == "__main__":
    sys.exit(main())
