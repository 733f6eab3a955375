"""Read Parquet files as tables of a declared schema, with columns renamed and scaled; other columns are not read."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.tables.buckets import Element
from transforms.tables.columns import Schema
from transforms.tables.conversions import convert
from transforms.tables.failures import UnreadableFileError
from transforms.tables.files import ListedFile, open_parquet, stat_file
from transforms.tables.stage_counters import StageCounters

# Rows of one table: large enough for vectorised work, small enough for a worker's memory.
_ROWS_PER_TABLE = 1_000_000
# Encodings that Arrow reads as dictionaries.
_CODED = {"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}


class SourceColumn(NamedTuple):
    """The column of a file that a declared column is read from, and the factor that its numbers are multiplied by."""

    column: str
    factor: float | None = None


class RowGroup(NamedTuple):
    """One row group of a Parquet file as it was before the run.

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
    tables = read_row_group(row_group, schema=schema, column_mapping=column_mapping)
    while True:
        with StageCounters("read_tables", row_group.number) as counters:
            table = next(tables, None)
            if table is not None:
                counters.record(table)
        if table is None:
            return
        yield row_group.number, table


def read_row_group(
    row_group: RowGroup, *, schema: Schema, column_mapping: Mapping[str, SourceColumn]
) -> Iterator[pa.Table]:
    """Yield the tables of one row group; a column that the file lacks is null.

    Raises:
        UnreadableFileError: the file cannot be read, or changed since the run was prepared; the message names it.
    """
    wanted = {name: source_column(name, column_mapping).column for name in schema.names}
    with _named_errors(row_group):
        file = _open(row_group, [wanted[name] for name in schema.names if pa.types.is_dictionary(schema[name].type)])
    num_rows = 0
    with file:
        present = set(file.schema_arrow.names)
        columns = list(dict.fromkeys(column for column in wanted.values() if column in present))
        batches = file.iter_batches(_ROWS_PER_TABLE, row_groups=[row_group.group], columns=columns)
        while True:
            with _named_errors(row_group):
                batch = next(batches, None)
                if batch is None:
                    break
                table = conform(pa.Table.from_batches([batch]), schema, column_mapping, dict(row_group.partitions))
                # invalid UTF-8 would otherwise be found only by readers of the published tables
                table.validate(full=True)
            num_rows += table.num_rows
            yield table
    with _named_errors(row_group):
        _check_unchanged(row_group, num_rows)


def _open(row_group: RowGroup, columns: Sequence[str]) -> pq.ParquetFile:
    """Open the file of a row group; of these columns, the texts that can be are read as dictionaries."""
    with open_parquet(row_group.path) as file:
        present, metadata = set(file.schema_arrow.names), file.metadata
    rows = metadata.row_group(row_group.group).num_rows if row_group.group < metadata.num_row_groups else 0
    _check_unchanged(row_group, rows)
    leaves = {metadata.schema.column(leaf).path: leaf for leaf in range(len(metadata.schema))}
    group = metadata.row_group(row_group.group)
    coded = [
        column
        for column in columns
        if column in present and column in leaves and _CODED.issuperset(group.column(leaves[column]).encodings)
    ]
    return open_parquet(row_group.path, metadata=metadata, read_dictionary=coded)


def _check_unchanged(row_group: RowGroup, num_rows: int) -> None:
    """Check that a file is the one that was there before the run (pa.ArrowInvalid: it is not)."""
    if stat_file(row_group.path) != row_group.file or num_rows != row_group.rows:
        raise pa.ArrowInvalid(
            f"the file changed while the run was at work; {num_rows:,} rows are here, {row_group.rows:,} were"
        )


@contextmanager
def _named_errors(row_group: RowGroup) -> Iterator[None]:
    """Turn an error of reading into an UnreadableFileError that names the file."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(f"{row_group.path}, row group {row_group.group}: {error}") from error


def source_column(name: str, column_mapping: Mapping[str, SourceColumn]) -> SourceColumn:
    """Return the source of a column: by default the column of the same name."""
    return column_mapping.get(name, SourceColumn(name))


def conform(
    table: pa.Table,
    schema: Schema,
    column_mapping: Mapping[str, SourceColumn],
    partitions: Mapping[str, str | None],
) -> pa.Table:
    """Rename, scale and cast a table's columns to those of `schema`; what it lacks is taken from its path, or null."""
    columns = []
    for column in schema.columns:
        name, factor = source_column(column.name, column_mapping)
        in_path = partitions.get(name)
        if name in table.column_names:
            values = convert(table.column(name), column.type, factor)
        else:
            values = pa.chunked_array([pa.nulls(table.num_rows, column.type)])
        if in_path is not None and values.null_count:
            values = _filled(values, convert(pa.chunked_array([[in_path]]), column.type, factor))
        columns.append(values)
    return pa.table(columns, schema=schema.arrow)


def _filled(values: pa.ChunkedArray, value: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace the nulls of a column by the only value of another."""
    kind = values.type
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    filled = values.cast(plain).fill_null(value.cast(plain)[0])
    return convert(filled, kind)
