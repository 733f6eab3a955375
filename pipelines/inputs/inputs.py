"""Check input files before a run starts: they exist, are readable, and have fitting columns."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow as pa

from pipelines.inputs.column_mapping import parse_mapping
from pipelines.inputs.input_files import find_files, summarize_left_out
from pipelines.options.options import UsageError
from transforms.publishing.manifest import InputSummary
from transforms.reading.conversions import is_convertible, type_as_read
from transforms.reading.read_tables import kinds_of
from transforms.reading.source_columns import RowGroup, SourceColumn, source_column, type_of
from transforms.reading.text_files import describe_text, text_format
from transforms.tables.columns import Column, Schema
from transforms.tables.failures import first_line
from transforms.tables.files import open_parquet

# What Hive writes for null.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class InputTable:
    """The files of an input table: their row groups, column mapping, and number of rows and files.

    left_out: names of files that are there and not read, by reason.
    """

    row_groups: tuple[RowGroup, ...]
    column_mapping: Mapping[str, SourceColumn]
    num_rows: int
    num_files: int = 0
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def summary(self) -> InputSummary:
        """Return the numbers for the manifest."""
        return InputSummary(self.num_rows, self.num_files, summarize_left_out(self.left_out))


class _FileFacts(NamedTuple):
    """The columns of a file, and the number of rows of each of its row groups."""

    schema: pa.Schema
    rows: tuple[int, ...]


def inspect_input(flag: str, paths: str, mapping: str | None, *, schema: Schema) -> InputTable:
    """Read and check the footers of a table's Parquet files, and its text files as a whole.

    flag: the flag that names the files, for messages. mapping: the value of the flag with the suffix _columns; None if
    there is no such flag.

    Raises:
        UsageError: there is no file, a file is unreadable, a column is missing or of a type that cannot be converted,
            or the mapping names an unknown column.
    """
    mapper = f"{flag}_columns" if mapping is not None else ""
    column_mapping = parse_mapping(mapper, mapping or "", schema)
    found = find_files(flag, paths)
    kinds = kinds_of(schema, column_mapping)
    # of text files each thread holds blocks in memory
    num_threads = 4 if any(text_format(file.path) for file in found.files) else 16
    with ThreadPoolExecutor(num_threads) as threads:
        facts = list(threads.map(lambda file: _file_facts(file.path, kinds), found.files))
    for file, (columns, rows) in zip(found.files, facts, strict=True):
        if len(columns) or any(rows):
            _check(file.path, columns, schema, column_mapping, mapper)
    groups = [
        (file, group, num_rows, tuple(path_columns(file.path).items()))
        for file, one in zip(found.files, facts, strict=True)
        for group, num_rows in enumerate(one.rows)
    ]
    return InputTable(
        row_groups=tuple(RowGroup(number, *group) for number, group in enumerate(groups)),
        column_mapping=column_mapping,
        num_rows=sum(sum(one.rows) for one in facts),
        num_files=len(found.files),
        left_out=found.left_out,
    )


def path_columns(path: str) -> dict[str, str | None]:
    """Return the columns that stand in the folders of a path, as action=like/, with their text."""
    pairs = (folder.partition("=") for folder in path.split("/")[:-1])
    texts = {unquote(name): unquote(text) for name, equals, text in pairs if name and equals}
    return {name: None if text in ("", _NO_VALUE) else text for name, text in texts.items()}


def _file_facts(path: str, kinds: Mapping[str, pa.DataType]) -> _FileFacts:
    """Read the footer of a Parquet file, or a whole text file (UsageError: it cannot be read)."""
    kind = text_format(path) or "Parquet"
    try:
        if kind != "Parquet":
            columns, num_rows = describe_text(path, kinds)
            return _FileFacts(columns, (num_rows,))
        with open_parquet(path) as file:
            metadata = file.metadata
            rows = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
            return _FileFacts(metadata.schema.to_arrow_schema(), tuple(rows))
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path}: not a readable {kind} file: {first_line(error)}") from error


def _check(
    path: str, found: pa.Schema, schema: Schema, column_mapping: Mapping[str, SourceColumn], mapper: str
) -> None:
    """Check that a file has all columns that are needed, of types that can be converted (UsageError: it has not)."""
    in_path = path_columns(path)
    for column in schema.columns:
        source = source_column(column.name, column_mapping)
        name, kind = source.column, type_of(source.column, found)
        mapped = f"; --{mapper}={column.name}:THEIRS maps another column" if mapper else ""
        if found.names.count(name) > 1:
            raise UsageError(f"{path}: more than one column {name!r}{mapped}")
        if kind is None:
            if name not in in_path and name and (column.is_required or column.name in column_mapping):
                have = ", ".join(found.names)
                what = f"{column.meaning or column.name}, {plain_type(column.type)}"
                raise UsageError(f"{path}: no column {name!r} ({what}); it has {have}{mapped}")
        elif not is_convertible(type_as_read(kind, source.separator), column.type, source.factor):
            raise UsageError(
                f"{path}: column {name!r} is {plain_type(kind)}, but {column.name} must be {plain_type(column.type)}"
                f"{_remedy(kind, column, source, mapper) or mapped}"
            )


def _remedy(kind: pa.DataType, column: Column, source: SourceColumn, mapper: str) -> str:
    """Return how a mapping would make a type convertible; empty: none does."""
    ours = f"; --{mapper}={column.name}:{source.column}"
    if mapper and is_convertible(kind, column.type, 1.0):
        return f"{ours}@s (or @ms, @us, @ns) gives the unit of its numbers"
    if mapper and not source.separator and is_convertible(type_as_read(kind, "|"), column.type):
        return f"{ours}@split(|) splits its text at |"
    if mapper and pa.types.is_struct(plain_type(kind)):
        fields = ", ".join(field.name for field in plain_type(kind))
        return f"{ours}.FIELD reads one of its fields ({fields})"
    return ""


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that users should provide: that of the values of a dictionary column."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind
