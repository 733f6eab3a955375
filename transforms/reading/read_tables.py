"""Read files as tables of a declared schema, with columns renamed, scaled and converted; other columns are not read."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.reading.conversions import convert, count_unreadable, empty_as_null, split_text
from transforms.reading.source_columns import RowGroup, SourceColumn, column_of, source_column, type_of
from transforms.reading.text_files import read_text, text_format
from transforms.tables.buckets import Element
from transforms.tables.columns import Schema, to_table
from transforms.tables.counts import COUNTS, counts_frame
from transforms.tables.failures import UnreadableFileError
from transforms.tables.files import open_parquet, stat_file
from transforms.tables.stage_counters import StageCounters

# Rows of one table: large enough for vectorised work, small enough for a worker's memory.
_ROWS_PER_TABLE = 1_000_000
# Encodings that Arrow reads as dictionaries.
_CODED = {"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}


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

    unreadable_values() tells of each table which values could not be read.

    Raises:
        UnreadableFileError: the file cannot be read, or changed since the run was prepared; the message names it.
    """
    sources = {name: source_column(name, column_mapping) for name in schema.names}
    num_rows = 0
    with _named_errors(row_group):
        if text_format(row_group.path):
            _check_unchanged(row_group, row_group.rows)
            found = read_text(row_group.path, kinds_of(schema, column_mapping))
        else:
            coded = [sources[name].column for name in schema.names if pa.types.is_dictionary(schema[name].type)]
            found = _parquet_tables(row_group, [source.column for source in sources.values()], coded)
    while True:
        with _named_errors(row_group):
            raw = next(found, None)
            if raw is None:
                break
            table = conform(raw, schema, column_mapping, dict(row_group.partitions))
            # invalid UTF-8 would otherwise be found only by readers of the published tables
            table.validate(full=True)
        num_rows += table.num_rows
        yield table
    with _named_errors(row_group):
        _check_unchanged(row_group, num_rows)


def kinds_of(schema: Schema, column_mapping: Mapping[str, SourceColumn]) -> dict[str, pa.DataType]:
    """Return the columns of a file that are read, with their types as declared: text where it is to be split."""
    sources = {name: source_column(name, column_mapping) for name in schema.names}
    return {
        source.column: pa.string() if source.separator else schema[name].type
        for name, source in sources.items()
        if source.column
    }


def _parquet_tables(row_group: RowGroup, columns: Sequence[str], coded: Sequence[str]) -> Iterator[pa.Table]:
    """Yield those of the columns that a Parquet file has; of `coded`, texts that can be are read as dictionaries."""
    with _open(row_group, coded) as file:
        present = [name for name in dict.fromkeys(columns) if type_of(name, file.schema_arrow) is not None]
        batches = file.iter_batches(_ROWS_PER_TABLE, row_groups=[row_group.group], columns=present)
        yield from (pa.Table.from_batches([batch]) for batch in batches)


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
    place = row_group.path if text_format(row_group.path) else f"{row_group.path}, row group {row_group.group}"
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(f"{place}: {error}") from error


def conform(
    table: pa.Table,
    schema: Schema,
    column_mapping: Mapping[str, SourceColumn],
    partitions: Mapping[str, str | None],
) -> pa.Table:
    """Rename, scale and cast a table's columns to those of `schema`; what it lacks is taken from its path, or null.

    The metadata of the result counts the values that cannot be read, by column.
    """
    columns, unreadable = [], {}
    for column in schema.columns:
        source = source_column(column.name, column_mapping)
        found = column_of(source.column, table) if source.column else None
        values, num_lost = _converted(found, table.num_rows, column.type, source)
        in_path = partitions.get(source.column)
        if in_path is not None and values.null_count:
            one, is_lost = _converted(pa.chunked_array([[in_path]]), 1, column.type, source)
            num_lost += is_lost * (values.null_count - num_lost)
            values = _filled(values, one)
        columns.append(values)
        if num_lost:
            unreadable[column.name] = str(num_lost)
    return pa.table(columns, schema=schema.arrow.with_metadata(unreadable or None))


def _converted(
    found: pa.ChunkedArray | None, num_rows: int, kind: pa.DataType, source: SourceColumn
) -> tuple[pa.ChunkedArray, int]:
    """Return the values of a column, null where there is none or empty text, and how many cannot be read."""
    if found is None:
        return pa.chunked_array([pa.nulls(num_rows, kind)]), 0
    given = split_text(found, source.separator) if source.separator else found
    values = convert(given, kind, source.factor)
    return empty_as_null(values), count_unreadable(given, values)


def unreadable_values(table: pa.Table) -> dict[str, int]:
    """Return the number of values that read_row_group() could not read, and that are null, by column."""
    return {name.decode(): int(count) for name, count in (table.schema.metadata or {}).items()}


def unreadable_counts(element: Element, name: str) -> Iterator[Element]:
    """Yield COUNTS of NAME/unreadable/COLUMN of a table that was read, if there are any."""
    key, table = element
    if counts := unreadable_values(table):
        yield key, to_table(counts_frame({f"{name}/unreadable/{column}": n for column, n in counts.items()}), COUNTS)


def _filled(values: pa.ChunkedArray, value: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace the nulls of a column by the only value of another."""
    kind = values.type
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    filled = values.cast(plain).fill_null(value.cast(plain)[0])
    return convert(filled, kind)
