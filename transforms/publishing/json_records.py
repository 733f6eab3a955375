"""Dataclasses read from JSON that anyone may have changed: every value has the declared type, or the error names it."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from transforms.publishing.run_paths import DamagedFileError

_Record = TypeVar("_Record")
# An ISO 8601 time with its zone; empty: not known.
Time = Annotated[str, "time"]


def read_record(kind: type[_Record], given: object, where: str = "") -> _Record:
    """Build a dataclass from a JSON object.

    Keys that the dataclass does not have are left out, and absent ones have their defaults: other versions of the code
    wrote into the same folder.

    Raises:
        DamagedFileError: a value has another type than its field, or a required one is absent.
    """
    if not isinstance(given, Mapping):
        raise _wrong(where, given, "an object")
    values, hints = {}, _hints_of(kind)  # type: ignore[arg-type]
    for one in fields(kind):  # type: ignore[arg-type]
        path = f"{where}.{one.name}" if where else one.name
        if one.name in given:
            values[one.name] = _read(hints[one.name], given[one.name], path)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise DamagedFileError(f"{path} is missing")
    return kind(**values)


@cache
def _hints_of(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _read(hint: Any, given: object, where: str) -> Any:
    """Return a JSON value as the type that a field is annotated with."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (one for one in get_args(hint) if one is not types.NoneType)
        return None if given is None else _read(inner, given, where)
    if origin is tuple:
        if not isinstance(given, list):
            raise _wrong(where, given, "a list")
        return tuple(_read(get_args(hint)[0], one, f"{where}[{number}]") for number, one in enumerate(given))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(given, Mapping):
            raise _wrong(where, given, "an object")
        return {name: _read(get_args(hint)[1], one, f"{where}.{name}") for name, one in given.items()}
    if isinstance(hint, type) and is_dataclass(hint):
        return read_record(hint, given, where)
    return _read_plain(hint, given, where)


def _read_plain(hint: Any, given: object, where: str) -> object:
    """Return a text or a number; all whole numbers of the records are counts."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if hint is int and not (is_number and isinstance(given, int) and given >= 0):
        raise _wrong(where, given, "a whole number of 0 or more")
    if hint is float and not is_number:
        raise _wrong(where, given, "a number")
    if (hint is str or hint == Time) and not isinstance(given, str):
        raise _wrong(where, given, "a text")
    if hint == Time and given and not _is_time(str(given)):
        raise _wrong(where, given, "a time with its zone")
    return given


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _wrong(where: str, given: object, expected: str) -> DamagedFileError:
    return DamagedFileError(f"{where or 'the content'} is {given!r:.60}, not {expected}")
