"""Sections of the documents that are rendered from COMMANDS: a list, flags and exit statuses."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

from pipelines.cli import INTERRUPTED
from pipelines.command import Command
from pipelines.commands import COMMANDS
from pipelines.docs.markdown import markdown_table
from pipelines.launch.workers import WorkerDiedError
from pipelines.options.flag_kinds import flag_text
from pipelines.options.options import RunOptions, StageOptions, UsageError
from pipelines.options.parsing import flag_name
from pipelines.options.setup_options import LaunchOptions
from transforms.evaluation.encode_lists import UnknownTracksError
from transforms.publishing.erasures import ErasedMeanwhileError
from transforms.publishing.gates import GateFailedError
from transforms.publishing.publish_run import NoEventKeptError, TooManyRejectedError
from transforms.state.commit_day import StateChangedError
from transforms.tables.failures import DiskFullError, HomeshelfError, UnreadableFileError

FAILURES: tuple[type[HomeshelfError], ...] = (
    UsageError,
    TooManyRejectedError,
    NoEventKeptError,
    ErasedMeanwhileError,
    StateChangedError,
    UnreadableFileError,
    UnknownTracksError,
    DiskFullError,
    WorkerDiedError,
    GateFailedError,
)


def list_commands() -> str:
    """Return a table of all commands."""
    return markdown_table(("command", "what"), ((f"`{one.usage}`", one.sentence) for one in COMMANDS))


def list_exit_statuses() -> str:
    """Return a table of the exit statuses of all commands, and of those that single commands have besides."""
    rows: list[tuple[int, str, str]] = [(0, "all", "The command did what it was asked to do.")]
    rows += [(one.exit_status, "all", (one.__doc__ or "").splitlines()[0]) for one in FAILURES]
    rows.append(
        (
            HomeshelfError.exit_status,
            "all",
            "The system refused something, or homeshelf has a bug; the line says which.",
        )
    )
    rows.append((INTERRUPTED, "all", "The command was interrupted."))
    rows += [(status, f"`{one.name}`", meaning) for one in COMMANDS for status, meaning in one.statuses]
    return markdown_table(("exit status", "command", "meaning"), _by_status(rows))


def _by_status(rows: Sequence[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    return sorted(rows, key=lambda row: row[0])


def describe_commands() -> str:
    """Return a section for each command: sentence, note, flags and exit statuses."""
    return "\n\n".join("\n\n".join(_describe(command)) for command in COMMANDS)


def _describe(command: Command) -> Iterator[str]:
    yield f"## `{command.usage}`"
    yield f"{command.sentence[:1].upper()}{command.sentence[1:]}"
    if command.note:
        yield command.note
    yield markdown_table(("flag", "default", "meaning"), _flag_rows(_own_flags(command.options)))
    if command.statuses:
        yield f"Exit status {'; '.join(f'{status}: {meaning}' for status, meaning in command.statuses)}."


def _own_flags(options: type) -> Sequence["Field[Any]"]:
    """Return the flags of a command; if it configures stages as `homeshelf run` does, without the flags of that."""
    found: Sequence[Field[Any]] = fields(options)
    if options is LaunchOptions or not issubclass(options, StageOptions):
        return found
    shared = {(one.name, one.metadata["help"]) for one in fields(RunOptions)}
    return [one for one in found if (one.name, one.metadata["help"]) not in shared]


def _flag_rows(flags: Iterable["Field[Any]"]) -> Iterator[Sequence[str]]:
    """Yield a row for each flag, required ones first and bold."""
    for one in sorted(flags, key=lambda one: one.default is not MISSING):
        is_required = one.default is MISSING
        name = f"**`--{flag_name(one)}`**" if is_required else f"`--{flag_name(one)}`"
        yield name, "" if is_required else flag_text(one.default), one.metadata["help"]
