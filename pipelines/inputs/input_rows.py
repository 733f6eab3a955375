"""Rows of input tables for commands that look at them outside a graph."""

from collections.abc import Iterator

import polars as pl

from pipelines.inputs.inputs import InputTable, inspect_input
from pipelines.options.options import UsageError
from transforms.reading.read_tables import read_row_group
from transforms.tables.columns import Schema, to_frame
from transforms.tables.failures import UnreadableFileError


def read_input(flag: str, path: str, mapping: str, schema: Schema) -> pl.DataFrame:
    """Read a whole table; return an empty one where the run had none."""
    if not path:
        return schema.frame()
    found = inspect_input(flag, path, mapping, schema=schema)
    return pl.concat([schema.frame(), *read_rows(found, schema)])


def read_rows(found: InputTable, schema: Schema) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table, some at a time (UsageError: a file cannot be read)."""
    for row_group in found.row_groups:
        try:
            for table in read_row_group(row_group, schema=schema, column_mapping=found.column_mapping):
                yield to_frame(table)
        except UnreadableFileError as error:
            raise UsageError(error.message) from error
