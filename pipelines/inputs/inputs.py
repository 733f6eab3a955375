"""Check input files before a run starts: they exist, are readable, and have fitting columns."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.inputs.column_mapping import parse_mapping
from pipelines.inputs.input_files import find_files, summarize_left_out
from pipelines.options.options import UsageError
from transforms.publishing.manifest import InputSummary
from transforms.tables.columns import Schema
from transforms.tables.conversions import is_convertible
from transforms.tables.failures import first_line
from transforms.tables.files import open_parquet
from transforms.tables.read_tables import RowGroup, SourceColumn, source_column

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


def inspect_input(flag: str, paths: str, mapping: str | None, *, schema: Schema) -> InputTable:
    """Read and check the footers of a table's files.

    flag: the flag that names the files, for messages. mapping: the value of the flag with the suffix _columns; None if
    there is no such flag.

    Raises:
        UsageError: there is no file, a file is unreadable, a column is missing or of a type that cannot be converted,
            or the mapping names an unknown column.
    """
    mapper = f"{flag}_columns" if mapping is not None else ""
    column_mapping = parse_mapping(mapper, mapping or "", schema)
    found = find_files(flag, paths)
    with ThreadPoolExecutor(16) as threads:
        footers = list(threads.map(_footer, (file.path for file in found.files)))
    for file, footer in zip(found.files, footers, strict=True):
        _check(file.path, footer.schema.to_arrow_schema(), schema, column_mapping, mapper)
    groups = [
        (file, group, footer.row_group(group).num_rows, tuple(path_columns(file.path).items()))
        for file, footer in zip(found.files, footers, strict=True)
        for group in range(footer.num_row_groups)
    ]
    return InputTable(
        row_groups=tuple(RowGroup(number, *group) for number, group in enumerate(groups)),
        column_mapping=column_mapping,
        num_rows=sum(footer.num_rows for footer in footers),
        num_files=len(found.files),
        left_out=found.left_out,
    )


def path_columns(path: str) -> dict[str, str | None]:
    """Return the columns that stand in the folders of a path, as action=like/, with their text."""
    pairs = (folder.partition("=") for folder in path.split("/")[:-1])
    texts = {unquote(name): unquote(text) for name, equals, text in pairs if name and equals}
    return {name: None if text in ("", _NO_VALUE) else text for name, text in texts.items()}


def _footer(path: str) -> pq.FileMetaData:
    try:
        with open_parquet(path) as file:
            return file.metadata
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path}: not a readable Parquet file: {first_line(error)}") from error


def _check(
    path: str, found: pa.Schema, schema: Schema, column_mapping: Mapping[str, SourceColumn], mapper: str
) -> None:
    in_path = path_columns(path)
    for column in schema.columns:
        name, factor = source_column(column.name, column_mapping)
        mapped = f"; --{mapper}={column.name}:THEIRS maps another column" if mapper else ""
        if name not in found.names:
            if name not in in_path and name and (column.is_required or column.name in column_mapping):
                have = ", ".join(found.names)
                what = f"{column.meaning or column.name}, {plain_type(column.type)}"
                raise UsageError(f"{path}: no column {name!r} ({what}); it has {have}{mapped}")
        elif found.names.count(name) > 1:
            raise UsageError(f"{path}: more than one column {name!r}{mapped}")
        elif not is_convertible(kind := found.field(name).type, column.type, factor):
            if mapper and is_convertible(kind, column.type, 1.0):
                mapped = f"; --{mapper}={column.name}:{name}@s (or @ms, @us, @ns) gives the unit of its numbers"
            raise UsageError(
                f"{path}: column {name!r} is {kind}, but {column.name} must be {plain_type(column.type)}{mapped}"
            )


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that users should provide: that of the values of a dictionary column."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind
