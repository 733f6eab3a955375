"""Declared tables, and their conversion between Arrow (wire and files) and Polars (computation)."""

import hashlib
from dataclasses import dataclass

import polars as pl
import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column of a declared table; `unit` is empty for values without a unit."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    is_required: bool = False


@dataclass(frozen=True)
class Schema:
    """The declared columns of a table, in order."""

    name: str
    columns: tuple[Column, ...]

    @property
    def arrow(self) -> pa.Schema:
        """Return the Arrow schema."""
        return pa.schema([(column.name, column.type) for column in self.columns])

    @property
    def names(self) -> list[str]:
        """Return the column names, in order."""
        return [column.name for column in self.columns]

    def __getitem__(self, name: str) -> Column:
        """Return the column of that name (KeyError: there is none)."""
        return {column.name: column for column in self.columns}[name]

    def empty(self) -> pa.Table:
        """Return a table without rows."""
        return self.arrow.empty_table()

    def frame(self, rows: list[dict[str, object]] | None = None) -> pl.DataFrame:
        """Build a Polars frame of these columns from a list of rows (absent keys are null)."""
        return to_frame(pa.Table.from_pylist(rows or [], schema=self.arrow))

    def conform(self, *frames: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of all frames with the columns and types of this schema, which the stages' functions take.

        Absent columns are null, and further ones are dropped.

        Raises:
            TypeError: a column cannot be cast to the declared type; the message names it.
        """
        return to_frame(pa.concat_tables(to_table(fill_columns(frame, self), self) for frame in frames))

    def extended(self, name: str, *columns: Column) -> "Schema":
        """Return a schema with further columns after those of this one."""
        return Schema(name, (*self.columns, *columns))


def fingerprint(schema: Schema) -> str:
    """Return a hash of the column names and types; the manifest stores it, so that a consumer can detect a change."""
    described = "\n".join(f"{column.name} {column.type}" for column in schema.columns)
    return hashlib.sha256(described.encode()).hexdigest()[:12]


def to_frame(table: pa.Table) -> pl.DataFrame:
    """View an Arrow table in Polars; dictionary columns become Enums over the sorted dictionary."""
    table = table.unify_dictionaries().combine_chunks()
    coded = {f.name: _enum(table.column(f.name)) for f in table.schema if pa.types.is_dictionary(f.type)}
    plain = (
        pl.DataFrame(pl.from_arrow(table.drop_columns(list(coded))))
        if table.num_columns > len(coded)
        else pl.DataFrame()
    )
    return plain.with_columns(**coded).select(table.schema.names) if coded else plain


def _enum(column: pa.ChunkedArray) -> pl.Series:
    """Turn a dictionary column into an Enum whose categories are sorted (Polars wants them unique)."""
    if column.num_chunks == 0:
        return pl.Series([], dtype=pl.Enum([]))
    chunk = column.chunk(0)
    ids = pl.Series(pl.from_arrow(chunk.dictionary))
    order = ids.arg_sort()
    # rank[i]: the index of dictionary entry i among the sorted ids
    rank = pl.select(pl.lit(order).arg_sort()).to_series().cast(pl.UInt32)
    codes = rank.gather(pl.Series(pl.from_arrow(chunk.indices)))
    entries = ids.gather(order)
    return entries.cast(pl.Enum(entries)).gather(codes)


def categories(column: pl.Series) -> pl.Series:
    """Return the sorted entries of an Enum column; its physical codes are indexes into them."""
    kind = column.dtype
    assert isinstance(kind, pl.Enum), kind
    return kind.categories


def fill_columns(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Add the columns of the schema that a frame lacks, as nulls, and order all columns as in the schema."""
    kinds = schema.frame().schema
    nulls = [pl.lit(None, dtype=kinds[name]).alias(name) for name in schema.names if name not in frame.columns]
    return frame.with_columns(nulls).select(schema.names)


def to_table(frame: pl.DataFrame, schema: Schema) -> pa.Table:
    """Convert a frame to an Arrow table with the types of its schema.

    Raises:
        TypeError: a column is missing, undeclared, or cannot be cast to the declared type; the message names it.
    """
    if set(frame.columns) != set(schema.names):
        missing, extra = sorted(set(schema.names) - set(frame.columns)), sorted(set(frame.columns) - set(schema.names))
        raise TypeError(f"table {schema.name!r}: missing columns {missing}, undeclared columns {extra}")
    table = frame.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    columns = [_cast(table.column(column.name), column, schema.name) for column in schema.columns]
    return pa.table(columns, schema=schema.arrow).combine_chunks()


def _cast(values: pa.ChunkedArray, column: Column, table: str) -> pa.ChunkedArray:
    try:
        return values.cast(column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        wrong = f"column {column.name!r} is {values.type}, not {column.type}"
        raise TypeError(f"table {table!r}: {wrong}: {error}") from error
