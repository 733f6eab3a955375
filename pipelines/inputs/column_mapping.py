"""Parse the mapping of columns of other names and units (--events_columns and the like)."""

import re
from collections.abc import Iterator

import pyarrow as pa

from pipelines.options.options import UsageError
from transforms.reading.source_columns import SourceColumn
from transforms.tables.columns import Column, Schema

# Factors from a unit to microseconds; text is read as ISO 8601 without a factor.
_TIME_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3, "iso": None}
_FORMS = "ours:theirs, ours:theirs*factor, ours:theirs@unit, ours:theirs@split(|) or ours:"
_THEIRS = re.compile(
    r"(?P<column>.*?)(?P<cast>@split\((?P<separator>.+)\)|\*(?P<factor>[^*@]*)|@(?P<unit>[^*@]*))?", re.DOTALL
)


def parse_mapping(flag: str, text: str, schema: Schema) -> dict[str, SourceColumn]:
    """Parse a column mapping, separated by commas: parts as in _FORMS.

    Raises:
        UsageError: a part has another form, names an unknown column of the table, scales a column that is no number or
            time, splits one that is no list, or leaves out a column that the table needs.
    """
    column_mapping = {}
    for part in filter(None, _split_parts(text)):
        ours, colon, theirs = part.partition(":")
        found = _THEIRS.fullmatch(theirs)
        if not (ours and colon and found) or (found["cast"] and not found["column"]):
            raise UsageError(f"--{flag}: {part!r} is not of the form {_FORMS}")
        if ours not in schema.names:
            raise UsageError(f"--{flag}: unknown column {ours!r}; the columns are {', '.join(schema.names)}")
        if not found["column"] and schema[ours].is_required:
            raise UsageError(f"--{flag}: {ours!r} cannot be left out")
        column_mapping[ours] = _source(flag, part, schema[ours], found)
    return column_mapping


def _split_parts(text: str) -> Iterator[str]:
    """Split at commas, but not within the parentheses of @split()."""
    parts = text.split(",")
    while parts:
        part = parts.pop(0)
        while parts and re.search(r"@split\((?!.+\)\s*$)", part):
            part = f"{part},{parts.pop(0)}"
        yield part.strip()


def _source(flag: str, part: str, column: Column, found: re.Match[str]) -> SourceColumn:
    """Return the source that a part of a mapping gives (UsageError: it does not fit the type of the column)."""
    factor, separator, unit = found["factor"], found["separator"], found["unit"]
    is_time, is_list = pa.types.is_timestamp(column.type), pa.types.is_list(column.type)
    if separator:
        if not is_list:
            raise UsageError(f"--{flag}: {column.name!r} is {column.type}, no list that text could be split into")
        return SourceColumn(found["column"], None, separator)
    if found["cast"] and not (is_time or (factor is not None and pa.types.is_integer(column.type))):
        raise UsageError(f"--{flag}: {column.name!r} is {column.type}, which cannot be scaled")
    if factor is not None:
        if not _is_number(factor):
            raise UsageError(f"--{flag}: {part!r} is not of the form {_FORMS}")
        return SourceColumn(found["column"], float(factor))
    if unit is not None and unit not in _TIME_UNITS:
        raise UsageError(f"--{flag}: unknown unit {unit!r} of {column.name!r}; the units are {', '.join(_TIME_UNITS)}")
    return SourceColumn(found["column"], _TIME_UNITS[unit] if unit else None)


def _is_number(text: str) -> bool:
    try:
        return 0 < abs(float(text)) < float("inf")
    except ValueError:
        return False
