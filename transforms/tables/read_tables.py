"""Read Parquet files as tables of a declared schema, with columns renamed and scaled; other columns are not read."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from transforms.tables.buckets import Element
from transforms.tables.columns import Schema
from transforms.tables.failures import UnreadableFileError
from transforms.tables.files import open_parquet
from transforms.tables.stage_counters import StageCounters

# Rows of one table: large enough for vectorised work, small enough for a worker's memory.
_ROWS_PER_TABLE = 1_000_000
# Numbers and times beyond these are meaningless, and would overflow in some stage.
_MAX_INTEGER = 2.0**62
_MIN_TIME, _MAX_TIME = datetime(1, 1, 1), datetime(9999, 12, 31)


class SourceColumn(NamedTuple):
    """The column of a file that a declared column is read from, and the factor that its numbers are multiplied by."""

    column: str
    factor: float = 1.0


class RowGroup(NamedTuple):
    """One row group of a Parquet file: its number among all row groups read, the path, its index within the file."""

    number: int
    path: str
    group: int


@dataclass(eq=False)
class ReadTables(beam.PTransform):
    """Apply read_row_group() to every row group; the key of a table is the number of its row group."""

    row_groups: Sequence[RowGroup]
    schema: Schema
    column_mapping: Mapping[str, SourceColumn]

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """Create the list of row groups, distribute them over the workers, and read them."""
        return (
            root
            | beam.Create(list(self.row_groups), reshuffle=True)
            | beam.FlatMap(_read, self.schema, dict(self.column_mapping)).with_output_types(Element)
        )


def _read(row_group: RowGroup, schema: Schema, column_mapping: Mapping[str, SourceColumn]) -> Iterator[Element]:
    tables = read_row_group(row_group.path, row_group.group, schema=schema, column_mapping=column_mapping)
    while True:
        with StageCounters("read_tables", row_group.number) as counters:
            table = next(tables, None)
            if table is not None:
                counters.record(table)
        if table is None:
            return
        yield row_group.number, table


def read_row_group(
    path: str, row_group: int, *, schema: Schema, column_mapping: Mapping[str, SourceColumn]
) -> Iterator[pa.Table]:
    """Yield the tables of one row group; a column that the file lacks is null.

    Raises:
        UnreadableFileError: the file cannot be read; the message names it.
    """
    wanted = {name: source_column(name, column_mapping).column for name in schema.names}
    with _named_errors(path, row_group), open_parquet(path) as file:
        present, metadata = set(file.schema_arrow.names), file.metadata
    columns = list(dict.fromkeys(column for column in wanted.values() if column in present))
    coded = [
        column for name, column in wanted.items() if pa.types.is_dictionary(schema[name].type) and column in present
    ]
    with _named_errors(path, row_group):
        file = open_parquet(path, metadata=metadata, read_dictionary=coded)
    with file:
        batches = file.iter_batches(_ROWS_PER_TABLE, row_groups=[row_group], columns=columns)
        while True:
            with _named_errors(path, row_group):
                batch = next(batches, None)
                if batch is None:
                    return
                table = conform(pa.Table.from_batches([batch]), schema, column_mapping)
                # invalid UTF-8 would otherwise be found only by readers of the published tables
                table.validate(full=True)
            yield table


@contextmanager
def _named_errors(path: str, row_group: int) -> Iterator[None]:
    """Turn an error of reading into an UnreadableFileError that names the file."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(f"{path}, row group {row_group}: {error}") from error


def source_column(name: str, column_mapping: Mapping[str, SourceColumn]) -> SourceColumn:
    """Return the source of a column: by default the column of the same name."""
    return column_mapping.get(name, SourceColumn(name))


def conform(table: pa.Table, schema: Schema, column_mapping: Mapping[str, SourceColumn]) -> pa.Table:
    """Rename, scale and cast a table's columns to those of `schema`."""
    columns = []
    for column in schema.columns:
        origin = source_column(column.name, column_mapping)
        if origin.column in table.column_names:
            columns.append(convert(table.column(origin.column), column.type, origin.factor))
        else:
            columns.append(pa.nulls(table.num_rows, column.type))
    return pa.table(columns, schema=schema.arrow)


def convert(values: pa.ChunkedArray, wanted: pa.DataType, factor: float = 1.0) -> pa.ChunkedArray:
    """Cast a column whose type is_convertible(); numbers are scaled and rounded, times without zone are UTC."""
    found = values.type
    if pa.types.is_integer(wanted) and (factor != 1.0 or not pa.types.is_signed_integer(found)):
        scaled = pc.round(pc.multiply(values.cast(pa.float64(), safe=False), factor))
        # NaN and infinity are missing values too
        finite = pc.if_else(pc.is_finite(scaled), scaled, pa.scalar(None, pa.float64()))
        return _clip(finite, -_MAX_INTEGER, _MAX_INTEGER).cast(wanted)
    if pa.types.is_timestamp(found):
        # nanoseconds cannot reach the limits; seconds can exceed the range of microseconds
        times = values.cast(pa.timestamp("us" if found.unit == "ns" else found.unit), safe=False)
        return _clip(times, _MIN_TIME, _MAX_TIME).cast(pa.timestamp("us")).cast(wanted)
    return values.cast(wanted)


def _clip(values: pa.ChunkedArray, minimum: float | datetime, maximum: float | datetime) -> pa.ChunkedArray:
    low, high = pa.scalar(minimum, values.type), pa.scalar(maximum, values.type)
    return pc.min_element_wise(pc.max_element_wise(values, low, skip_nulls=False), high, skip_nulls=False)


def is_convertible(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Return whether every value of a file's column type can be converted to the declared type."""
    if found == wanted:
        return True
    found = found.value_type if pa.types.is_dictionary(found) else found
    wanted = wanted.value_type if pa.types.is_dictionary(wanted) else wanted
    if pa.types.is_list(wanted):
        lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        return any(is_kind(found) for is_kind in lists) and is_convertible(found.value_type, wanted.value_type)
    kinds = (
        (
            pa.types.is_string,
            (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null),
        ),
        (pa.types.is_integer, (pa.types.is_integer, pa.types.is_floating, pa.types.is_null)),
        (pa.types.is_floating, (pa.types.is_integer, pa.types.is_floating, pa.types.is_null)),
        (pa.types.is_timestamp, (pa.types.is_timestamp, pa.types.is_null)),
        (pa.types.is_date, (pa.types.is_date, pa.types.is_null)),
        (pa.types.is_boolean, (pa.types.is_boolean, pa.types.is_null)),
    )
    return any(is_wanted(wanted) and any(kind(found) for kind in accepted) for is_wanted, accepted in kinds)
