"""Declared flags as a command of cyclopts, which parses them and prints their help."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.token import Token

from pipelines.options.flag_kinds import OneOf, flag_text, parse_given, parse_path, parse_yes_or_no
from pipelines.options.options import UsageError
from pipelines.options.spelling import name_of, suggest, with_underscores

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

AnyOptions = TypeVar("AnyOptions", bound="DataclassInstance")
# Headings of the help, in order. The docstring of a dataclass begins with that of its flags; what a command has for
# itself is basic.
_HEADINGS = ("Basic", "Input", "Pages", "Now Playing", "Model", "Operations", "All commands")
_GROUPS = {name: Group(name, sort_key=number) for number, name in enumerate(_HEADINGS)}


def new_app(name: str, help: str, usage: str | None = None, epilogue: str | None = None) -> App:
    """Return a command line that neither prints errors nor ends the process."""
    return App(
        name,
        help,
        usage=usage,
        help_epilogue=epilogue,
        help_format="plaintext",
        version_flags=(),
        print_error=False,
        exit_on_error=False,
    )


def add_flags(app: App, *kinds: type["DataclassInstance"]) -> App:
    """Give a command the flags of dataclasses; it returns a tuple of these."""

    def make(*places: str, **given: object) -> tuple[object, ...]:
        positional = [one.name for kind in kinds for one in fields(kind) if "positional" in one.metadata]
        values = {**dict(zip(positional, places, strict=True)), **given}
        return tuple(
            kind(**{one.name: values[one.name] for one in fields(kind) if one.name in values}) for kind in kinds
        )

    parameters = [parameter for kind in kinds for parameter in _parameters(kind)]
    make.__signature__ = inspect.Signature(sorted(parameters, key=lambda one: one.kind))  # type: ignore[attr-defined]
    app.default(make)
    return app


def run_app(app: App, argv: Sequence[str]) -> tuple[object, list[str]]:
    """Parse and carry out a command line; return what its function returns, and the flags that are left for Beam.

    Raises:
        UsageError: a flag is missing or invalid.
    """
    try:
        function, bound, rest, _ = app.parse_known_args(with_underscores(argv))
    except CycloptsError as error:
        error.verbose = False
        raise UsageError(f"{_place(error)}{' '.join(str(error).split())}") from None
    return function(*bound.args, **bound.kwargs), rest


def _place(error: CycloptsError) -> str:
    """Return where a value stands that is not on the command line."""
    token = error.argument.tokens[0] if error.argument and error.argument.tokens else None
    if token is None or token.source == "cli":
        return ""
    return f"{token.keyword if token.source == 'env' else token.source}: "


def parse_flags(kind: type[AnyOptions], argv: Sequence[str]) -> tuple[AnyOptions, list[str]]:
    """Parse the flags of a command, and return unknown ones for Beam (UsageError: a flag is missing or invalid)."""
    made, rest = run_app(add_flags(new_app("homeshelf", ""), kind), argv)
    assert isinstance(made, tuple) and isinstance(made[0], kind)
    return made[0], rest


def unknown_flag(kind: type["DataclassInstance"], given: str) -> UsageError:
    """Return the error of a flag or an argument that a command does not have."""
    command = (kind.__doc__ or "").split(":")[0]
    hint = suggest(name_of(given), [f"--{flag_name(one)}" for one in fields(kind)])
    what = "flag" if given.startswith("-") else "argument"
    return UsageError(f"unknown {what} {given}{hint}; {command} --help lists the flags")


def as_flags(options: "DataclassInstance") -> list[str]:
    """Return the flags, with their values, that differ from their defaults."""
    given = [(one, getattr(options, one.name)) for one in fields(options)]
    changed = [(one, flag_text(value)) for one, value in given if value != one.default]
    return [text if "positional" in one.metadata else f"--{flag_name(one)}={text}" for one, text in changed]


def check_options(options: AnyOptions) -> AnyOptions:
    """Return options made in Python as the command line would have parsed them (UsageError: a value is invalid)."""
    return parse_flags(type(options), as_flags(options))[0]


def flag_name(one: "Field[object]") -> str:
    """Return the name of a flag without dashes; a field that Python would take for a keyword ends in "_"."""
    return one.name.rstrip("_")


def _parameters(kind: type["DataclassInstance"]) -> Iterator[inspect.Parameter]:
    """Yield the fields of a dataclass as parameters of a function that cyclopts understands."""
    for one in fields(kind):
        is_required, is_positional = one.default is MISSING, "positional" in one.metadata
        parse = one.metadata["kind"]
        declared = Parameter(
            name=None if is_positional else _names(one),
            help=one.metadata["help"],
            group=_group(kind, one.name),
            converter=None if parse is parse_yes_or_no else _converter(parse_given(parse) if is_required else parse),
            negative=(),
            # of a flag that is given twice the last counts, so that scripts can add flags to those of others
            allow_repeating=True,
            show_default=False if one.default in ("", None, (), False, MISSING) else flag_text,
        )
        yield inspect.Parameter(
            one.name,
            inspect.Parameter.POSITIONAL_ONLY if is_positional else inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if is_required else one.default,
            annotation=Annotated[_type_of(parse), declared],
        )


def _names(one: "Field[object]") -> tuple[str, ...]:
    """Return the name of a flag with its dashes, and its other one."""
    alias = one.metadata.get("alias")
    return tuple(f"{'--' if len(name) > 1 else '-'}{name}" for name in (flag_name(one), alias) if name)


def _group(kind: type, name: str) -> Group:
    """Return the heading of a flag: that of the dataclass that declares it."""
    owner = next(one for one in kind.__mro__ if name in vars(one).get("__annotations__", {}))
    return _GROUPS.get((owner.__doc__ or "").partition(":")[0], _GROUPS["Basic"])


def _type_of(parse: object) -> object:
    """Return the type from which cyclopts makes the form of a flag and what a shell completes; it may not check it."""
    if isinstance(parse, OneOf):
        return Literal[parse.choices]
    return bool if parse is parse_yes_or_no else Path if parse is parse_path else Any


def _converter(parse: Callable[[str], object]) -> Callable[[type, Sequence[Token]], object]:
    def convert(kind: type, tokens: Sequence[Token]) -> object:
        return parse(tokens[0].value)

    return convert
