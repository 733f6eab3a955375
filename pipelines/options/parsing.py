"""Parsing of declared flags: from a command line, or from options made in Python."""

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pipelines.options.flag_kinds import flag_text, parse_given
from pipelines.options.options import UsageError
from pipelines.options.spelling import name_of, suggest, suggest_required

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

AnyOptions = TypeVar("AnyOptions", bound="DataclassInstance")


class FlagParser(argparse.ArgumentParser):
    """A parser that raises UsageError instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(message)


def parse_flags(kind: type[AnyOptions], argv: Sequence[str]) -> tuple[AnyOptions, list[str]]:
    """Parse the flags of a command, and return unknown ones for Beam (UsageError: a flag is missing or invalid)."""
    parser = FlagParser(
        prog=kind.__doc__.split(":")[0] if kind.__doc__ else None, description=kind.__doc__, allow_abbrev=False
    )
    for one in fields(kind):
        parser.add_argument(f"--{flag_name(one)}", dest=one.name, **_argument(one))
    try:
        known, rest = parser.parse_known_args(argv)
    except UsageError as error:
        names = flag_names(kind)
        required = [names[one.name] for one in fields(kind) if one.default is MISSING]
        hint = suggest_required(required, names.values(), [name_of(one) for one in argv if one.startswith("--")])
        raise UsageError(f"{error}{hint}") from None
    return kind(**vars(known)), rest


def parse_all_flags(kind: type[AnyOptions], argv: Sequence[str]) -> AnyOptions:
    """Parse the flags of a command without Beam flags (UsageError: a flag is missing, invalid or unknown)."""
    options, rest = parse_flags(kind, argv)
    if rest:
        raise unknown_flag(kind, rest[0])
    return options


def unknown_flag(kind: type["DataclassInstance"], given: str) -> UsageError:
    """Return the error of a flag that a command does not have."""
    command = (kind.__doc__ or "").split(":")[0]
    hint = suggest(name_of(given), flag_names(kind).values())
    return UsageError(f"unknown flag {given}{hint}; {command} --help lists the flags")


def check_options(options: AnyOptions) -> AnyOptions:
    """Return options made in Python as the command line would have parsed them (UsageError: a value is invalid)."""
    given = {one.name: getattr(options, one.name) for one in fields(options)}
    changed = [one.name for one in fields(options) if given[one.name] != one.default]
    return parse_all_flags(type(options), [f"--{name}={flag_text(given[name])}" for name in changed])


def flag_names(kind: type["DataclassInstance"]) -> dict[str, str]:
    """Return the flags of a command by the names of their fields."""
    return {one.name: f"--{flag_name(one)}" for one in fields(kind)}


def flag_name(one: "Field[Any]") -> str:
    """Return the name of a flag without dashes; a field that Python would take for a keyword ends in "_"."""
    return one.name.rstrip("_")


def _argument(one: "Field[Any]") -> dict[str, Any]:
    is_required = one.default is MISSING
    default = "" if is_required else flag_text(one.default)
    text = one.metadata["help"] + (f" (default: {default})" if default else "")
    kind = parse_given(one.metadata["kind"]) if is_required else one.metadata["kind"]
    given = {"help": text.replace("%", "%%"), "type": kind, "required": is_required}
    return given if is_required else {**given, "default": one.default}
