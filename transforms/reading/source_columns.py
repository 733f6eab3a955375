"""Columns of files: where a declared column is read from, under which name, and within which other column."""

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from transforms.tables.files import ListedFile


class SourceColumn(NamedTuple):
    """The column of a file that a declared column is read from.

    column: its name; track.track_id is the field track_id of the column track, unless a column has the whole name;
    empty: there is none. factor: numbers are multiplied by it. separator: text is split at it, for lists.
    """

    column: str
    factor: float | None = None
    separator: str = ""


class RowGroup(NamedTuple):
    """Rows of a file as they were before the run: a row group of a Parquet file, or all of a text file.

    number: among all row groups read. file: its path, size and last change. group: its index within the file. rows: of
    the row group. partitions: columns that stand in the path only (action=like/), with their text; None: null.
    """

    number: int
    file: ListedFile
    group: int
    rows: int
    partitions: tuple[tuple[str, str | None], ...] = ()

    @property
    def path(self) -> str:
        """Return the path of the file."""
        return self.file.path


def source_column(name: str, column_mapping: Mapping[str, SourceColumn]) -> SourceColumn:
    """Return the source of a column: by default the column of the same name."""
    return column_mapping.get(name, SourceColumn(name))


def type_of(name: str, schema: pa.Schema) -> pa.DataType | None:
    """Return the type of a column, or of a field within one, by its name in a SourceColumn; None: there is none."""
    if name in schema.names:
        return schema.field(schema.names.index(name)).type
    root, *fields = name.split(".")
    found = schema.field(schema.names.index(root)).type if root in schema.names else None
    for field in fields:
        if found is None or not pa.types.is_struct(found) or found.get_field_index(field) < 0:
            return None
        found = found.field(field).type
    return found


def column_of(name: str, table: pa.Table) -> pa.ChunkedArray | None:
    """Return a column, or a field within one, by its name in a SourceColumn; None: there is none."""
    if type_of(name, table.schema) is None:
        return None
    if name in table.column_names:
        return table.column(name)
    root, *fields = name.split(".")
    return pc.struct_field(table.column(root), fields)
