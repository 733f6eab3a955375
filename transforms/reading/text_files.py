"""Read CSV and JSON Lines, plain or compressed, in blocks of bounded size; values stay the text that was written.

Types are not guessed: an id 007 stays 007, and conversions.py reads text as numbers, times and truth values.
"""

import io
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from transforms.reading.source_columns import type_of
from transforms.tables.failures import first_line
from transforms.tables.files import open_stream

CSV, JSON_LINES = "CSV", "JSON Lines"
_NAME = re.compile(r"\.(?:(csv)|jsonl|ndjson|json)(?:\.(gz|zst))?$", re.IGNORECASE)
_CODECS = {"gz": "gzip", "zst": "zstd"}
# Bytes read at once. No row of a CSV may be longer, and no line of JSON more than four times as long.
_BLOCK_BYTES = 16 << 20
_MAX_LINE_BYTES = 4 * _BLOCK_BYTES
# Rows that tell the types of columns.
_SAMPLE_ROWS = 1_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WHOLE = r"^\s*[+-]?\d+\s*$"
# With lines within quotes: titles have them.
_CSV_ROWS = pa_csv.ParseOptions(newlines_in_values=True)
_CSV_BLOCKS = pa_csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False)

# Names of columns with their declared types, of which only lists and the kind of their values matter here.
_Kinds = Mapping[str, pa.DataType]


def text_format(path: str) -> str:
    """Return CSV or JSON_LINES by the end of a name; empty: it is the name of another kind of file."""
    found = _NAME.search(path)
    return "" if found is None else CSV if found[1] else JSON_LINES


def read_text(path: str, kinds: _Kinds) -> Iterator[pa.Table]:
    """Yield these columns of a file: text, lists of text and of floats; a column that the file lacks is null.

    Raises:
        OSError, pa.ArrowInvalid: it cannot be read; the message names the line or row.
    """
    with _opened(path) as stream:
        yield from _read_csv(stream, list(kinds)) if text_format(path) == CSV else _read_json(stream, kinds)


def describe_text(path: str, kinds: _Kinds) -> tuple[pa.Schema, int]:
    """Read a whole file; return its columns with the types that their first values suggest, and the number of rows.

    Of JSON Lines only the columns of the first rows are found, and those of `kinds`.

    Raises:
        OSError, pa.ArrowInvalid: it cannot be read; the message names the line or row.
    """
    return _describe_csv(path, kinds) if text_format(path) == CSV else _describe_json(path, kinds)


def sample_text(path: str) -> pl.DataFrame:
    """Return the first rows of a file with all its columns: of a CSV as text (raises as read_text() does)."""
    if text_format(path) == CSV:
        with _opened(path) as stream:
            names = _csv_columns(stream).names
        with _opened(path) as stream:
            found = next(_read_csv(stream, names), None)
        return pl.DataFrame(schema=names) if found is None else pl.DataFrame(pl.from_arrow(found)).head(_SAMPLE_ROWS)
    with _opened(path) as stream:
        rows = list(_first_rows(*next(_json_blocks(stream), (1, b""))))
    return pl.DataFrame(rows, infer_schema_length=None, strict=False)


def _describe_csv(path: str, kinds: _Kinds) -> tuple[pa.Schema, int]:
    _check_quotes(path)
    with _opened(path) as stream:
        schema = _csv_columns(stream)
    num_rows = 0
    for table in read_text(path, kinds):
        if not num_rows:
            schema = _with_numbers(schema, table.slice(0, _SAMPLE_ROWS))
        num_rows += len(table)
    return schema, num_rows


def _describe_json(path: str, kinds: _Kinds) -> tuple[pa.Schema, int]:
    with _opened(path) as stream:
        schema = _json_columns(stream)
    num_rows = 0
    for table in read_text(path, {name: kind for name, kind in kinds.items() if _fits(name, kind, schema)}):
        num_rows += len(table)
        for field in table.schema:
            if type_of(field.name, schema) is None and table.column(field.name).null_count < len(table):
                schema = schema.append(field)
    return schema, num_rows


def _fits(name: str, kind: pa.DataType, schema: pa.Schema) -> bool:
    """Return whether a column of JSON can be read: one that is known is a list or not, and has the fields to read."""
    found, root = type_of(name, schema), type_of(name.split(".")[0], schema)
    if found is None:
        return root is None or pa.types.is_struct(root) or pa.types.is_null(root)
    return pa.types.is_null(found) or pa.types.is_list(found) or not pa.types.is_list(kind)


@contextmanager
def _opened(path: str) -> Iterator[pa.NativeFile]:
    found = _NAME.search(path)
    codec = _CODECS.get((found[2] or "").lower()) if found else None
    with open_stream(path) as stream:
        yield pa.CompressedInputStream(stream, codec) if codec else stream


def _check_quotes(path: str) -> None:
    """Check that quotes of a CSV are closed: one that is not would take all rows behind it for one text."""
    with _opened(path) as stream:
        num_quotes = sum(block.count(b'"') for block in iter(lambda: stream.read(_BLOCK_BYTES), b""))
    if num_quotes % 2:
        raise pa.ArrowInvalid('a quote (") is not closed; text that has quotes stands in quotes, and doubles its own')


def _csv_columns(stream: pa.NativeFile) -> pa.Schema:
    """Return the names of a CSV, all as text."""
    with pa_csv.open_csv(stream, _CSV_BLOCKS, _CSV_ROWS) as reader:
        return pa.schema([(name, pa.string()) for name in reader.schema.names])


def _with_numbers(schema: pa.Schema, sample: pa.Table) -> pa.Schema:
    """Return a schema in which the columns of whole numbers are int64, and those without a value have no type."""
    for name in sample.column_names:
        values = pl.Series(pl.from_arrow(sample.column(name))).drop_nulls()
        kind = pa.null() if values.is_empty() else pa.int64() if values.str.contains(_WHOLE).all() else pa.string()
        if schema.names.count(name) == 1:
            schema = schema.set(schema.names.index(name), pa.field(name, kind))
    return schema


def _read_csv(stream: pa.NativeFile, names: Sequence[str]) -> Iterator[pa.Table]:
    r"""Yield columns of a CSV as text; empty without quotes is null, and so is \N, as MySQL and Hive write it."""
    as_text = pa_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=list(names),
        include_missing_columns=True,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=["", r"\N"],
    )
    with pa_csv.open_csv(stream, _CSV_BLOCKS, _CSV_ROWS, as_text) as reader:
        yield from (pa.Table.from_batches([batch]) for batch in reader)


def _json_columns(stream: pa.NativeFile) -> pa.Schema:
    """Return the columns that the first rows of JSON Lines have."""
    rows = list(_first_rows(*next(_json_blocks(stream), (1, b""))))
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.schema([(name, _type_of_values([row.get(name) for row in rows])) for name in names])


def _type_of_values(values: Sequence[object]) -> pa.DataType:
    try:
        return pa.array(values).type
    except (pa.ArrowException, OverflowError):
        # numbers beside text, say: all of it is read as text
        return pa.string()


def _read_json(stream: pa.NativeFile, kinds: _Kinds) -> Iterator[pa.Table]:
    row = pl.Struct({})
    columns: list[pl.Expr] = []
    for number, lines in _json_blocks(stream):
        if not columns:
            names = {name for one in _first_rows(number, lines) for name in one}
            paths = {name: [name] if name in names else name.split(".") for name in kinds}
            row = _struct([(path, _json_type(kinds[name])) for name, path in paths.items()])
            columns = [_value_at(path).alias(name) for name, path in paths.items()]
        found = _parse_lines(number, lines, row).select(columns)
        yield found.to_arrow(compat_level=pl.CompatLevel.oldest())


def _first_rows(number: int, lines: bytes) -> Iterator[dict[str, object]]:
    """Parse the first lines of a block (pa.ArrowInvalid: one is no JSON object)."""
    given = ((place, line) for place, line in enumerate(io.BytesIO(lines), number) if line.strip())
    for place, line in islice(given, _SAMPLE_ROWS):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise pa.ArrowInvalid(f"line {place}: {error}; each line must be one JSON object") from error
        if not isinstance(row, dict):
            raise pa.ArrowInvalid(f"line {place}: no JSON object, which each line must be")
        yield row


def _json_blocks(stream: pa.NativeFile) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of whole lines that are not blank, each with the number of its first line."""
    number, rest = 1, b""
    while block := stream.read(_BLOCK_BYTES):
        head, newline, tail = block.rpartition(b"\n")
        lines, rest = (rest + head + newline, tail) if newline else (b"", rest + tail)
        if len(rest) > _MAX_LINE_BYTES:
            raise pa.ArrowInvalid(f"line {number}: longer than {_MAX_LINE_BYTES:,} bytes; each must be one JSON object")
        if lines.strip():
            yield number, lines.removeprefix(_BYTE_ORDER_MARK)
        number += lines.count(b"\n")
    if rest.strip():
        yield number, rest.removeprefix(_BYTE_ORDER_MARK)


def _json_type(kind: pa.DataType) -> pl.DataType:
    """Return what a column is read as: text, which holds numbers and truth values too, or a list."""
    if not pa.types.is_list(kind):
        return pl.String()
    return pl.List(pl.Float64 if pa.types.is_floating(kind.value_type) else pl.String)


def _struct(values: Collection[tuple[Sequence[str], pl.DataType]]) -> pl.Struct:
    """Return the type that has these values, each given by the names of the fields around it and its type."""
    fields: dict[str, pl.DataType] = {}
    for root in dict.fromkeys(path[0] for path, _ in values):
        inner = [(path[1:], kind) for path, kind in values if path[0] == root]
        own = [kind for path, kind in inner if not path]
        fields[root] = own[0] if own else _struct(inner)
    return pl.Struct(fields)


def _value_at(path: Sequence[str]) -> pl.Expr:
    value = pl.col(path[0])
    for field in path[1:]:
        value = value.struct.field(field)
    return value


def _parse_lines(number: int, lines: bytes, row: pl.Struct) -> pl.DataFrame:
    """Parse lines of JSON (pa.ArrowInvalid: one is no such row; the message has its number)."""
    try:
        return pl.read_ndjson(io.BytesIO(lines), schema=row.to_schema())
    except pl.exceptions.PolarsError as error:
        parts = io.BytesIO(lines).readlines()
        if len(parts) == 1:
            raise pa.ArrowInvalid(f"line {number}: {first_line(error)}") from error
        half = len(parts) // 2
        for start, part in ((0, parts[:half]), (half, parts[half:])):
            _parse_lines(number + start, b"".join(part), row)
        raise
