"""Parse the mapping of columns of other names and units (--events_columns and the like)."""

import re

import pyarrow as pa

from pipelines.options.options import UsageError
from transforms.tables.columns import Column, Schema
from transforms.tables.read_tables import SourceColumn

# Factors from a unit to microseconds; text is read as ISO 8601 without a factor.
_TIME_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3, "iso": None}


def parse_mapping(flag: str, text: str, schema: Schema) -> dict[str, SourceColumn]:
    """Parse a column mapping, separated by commas: ours:theirs, ours:theirs*factor, ours:theirs@unit or ours: (none).

    Raises:
        UsageError: a part has another form, names an unknown column of the table, scales a column that is no number or
            time, or leaves out a column that the table needs.
    """
    column_mapping = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        ours, colon, theirs = part.partition(":")
        column, sign, scale = _split_scale(theirs)
        if not (ours and colon) or (sign and not column) or (sign == "*" and not _is_number(scale)):
            raise UsageError(
                f"--{flag}: {part!r} is not of the form ours:theirs, ours:theirs*factor, ours:theirs@unit or ours:"
            )
        if ours not in schema.names:
            raise UsageError(f"--{flag}: unknown column {ours!r}; the columns are {', '.join(schema.names)}")
        _check_scale(flag, ours, sign, scale, schema[ours])
        if not column and schema[ours].is_required:
            raise UsageError(f"--{flag}: {ours!r} cannot be left out")
        factor = _TIME_UNITS[scale] if sign == "@" else float(scale) if sign else None
        column_mapping[ours] = SourceColumn(column, factor)
    return column_mapping


def _split_scale(theirs: str) -> tuple[str, str, str]:
    """Split the name of a column from the sign and the text of its factor or unit."""
    found = re.fullmatch(r"(.*?)(?:([*@])([^*@]*))?", theirs, re.DOTALL)
    assert found
    return found[1], found[2] or "", found[3] or ""


def _check_scale(flag: str, ours: str, sign: str, scale: str, column: Column) -> None:
    is_time = pa.types.is_timestamp(column.type)
    if sign and not (is_time or (sign == "*" and pa.types.is_integer(column.type))):
        raise UsageError(f"--{flag}: {ours!r} is {column.type}, which cannot be scaled")
    if sign == "@" and scale not in _TIME_UNITS:
        raise UsageError(f"--{flag}: unknown unit {scale!r} of {ours!r}; the units are {', '.join(_TIME_UNITS)}")


def _is_number(text: str) -> bool:
    try:
        return 0 < abs(float(text)) < float("inf")
    except ValueError:
        return False
