"""Check input files before a run starts: they exist, are readable, and have fitting columns; find the newest time."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from pipelines.options.options import UsageError
from transforms.tables.columns import Schema
from transforms.tables.files import open_parquet
from transforms.tables.read_tables import RowGroup, SourceColumn, convert, is_convertible, source_column
from transforms.tables.schemas import TIMESTAMP


@dataclass(frozen=True)
class InputTable:
    """The files of an input table: their row groups, column mapping, number of rows, and newest time if requested."""

    row_groups: tuple[RowGroup, ...]
    column_mapping: Mapping[str, SourceColumn]
    num_rows: int
    newest: datetime | None


def inspect_input(flag: str, paths: str, mapping: str | None, *, schema: Schema, newest: str = "") -> InputTable:
    """Read and check the footers of a table's files.

    flag: the flag that names the files, for messages. mapping: the value of the flag with the suffix _columns; None if
    there is no such flag. newest: a time column whose maximum is returned too.

    Raises:
        UsageError: there is no file, a file is unreadable, a column is missing or of a type that cannot be converted,
            or the mapping names an unknown column.
    """
    mapper = f"{flag}_columns" if mapping is not None else ""
    column_mapping = parse_mapping(mapper, mapping or "", schema)
    files = find_files(flag, paths)
    with ThreadPoolExecutor(16) as threads:
        footers = list(threads.map(_footer, files))
    for path, footer in zip(files, footers, strict=True):
        _check(path, footer.schema.to_arrow_schema(), schema, column_mapping, mapper)
    groups = [
        (path, group) for path, footer in zip(files, footers, strict=True) for group in range(footer.num_row_groups)
    ]
    column = source_column(newest, column_mapping).column
    return InputTable(
        row_groups=tuple(RowGroup(number, path, group) for number, (path, group) in enumerate(groups)),
        column_mapping=column_mapping,
        num_rows=sum(footer.num_rows for footer in footers),
        newest=_newest(files, footers, column) if newest else None,
    )


def find_files(flag: str, paths: str) -> list[str]:
    """List the Parquet files of folders, patterns and files, sorted (UsageError: there are none)."""
    found: list[str] = []
    for path in filter(None, (part.strip() for part in paths.split(","))):
        # the name of a folder may end in .parquet too
        patterns = [path] if "*" in path else [path, f"{path.rstrip('/')}/**.parquet"]
        try:
            matched = [file.path for result in FileSystems.match(patterns) for file in result.metadata_list]
        except Exception as error:
            raise UsageError(f"--{flag}={path}: {_first_line(error)}") from error
        files = [file for file in matched if not (_is_hidden(file, path) or Path(file).is_dir())]
        if not files:
            raise UsageError(f"--{flag}={path}: no Parquet file there (looked for {patterns[-1]})")
        found += files
    if not found:
        raise UsageError(f"--{flag} names no file")
    return sorted(set(found))


def _is_hidden(file: str, path: str) -> bool:
    """Return whether a name below the given path starts with _ or ., as those of Spark's unfinished files."""
    below = file[len(path.split("*")[0]) :]
    return any(name.startswith(("_", ".")) for name in below.split("/"))


def parse_mapping(flag: str, text: str, schema: Schema) -> dict[str, SourceColumn]:
    """Parse a column mapping: ours:theirs or ours:theirs*factor, separated by commas.

    Raises:
        UsageError: a part has another form, names an unknown column of the table, or scales a column without integers.
    """
    column_mapping = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        ours, colon, theirs = part.partition(":")
        column, star, factor = theirs.partition("*")
        if not (ours and colon and column) or (star and not _is_number(factor)):
            raise UsageError(f"--{flag}: {part!r} is not of the form ours:theirs or ours:theirs*factor")
        if ours not in schema.names:
            raise UsageError(f"--{flag}: unknown column {ours!r}; the columns are {', '.join(schema.names)}")
        if star and not pa.types.is_integer(schema[ours].type):
            raise UsageError(f"--{flag}: {ours!r} is {schema[ours].type}, which cannot be scaled")
        column_mapping[ours] = SourceColumn(column, float(factor) if star else 1.0)
    return column_mapping


def _is_number(text: str) -> bool:
    try:
        return 0 < abs(float(text)) < float("inf")
    except ValueError:
        return False


def _footer(path: str) -> pq.FileMetaData:
    try:
        with open_parquet(path) as file:
            return file.metadata
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path}: not a readable Parquet file: {_first_line(error)}") from error


def _check(
    path: str, found: pa.Schema, schema: Schema, column_mapping: Mapping[str, SourceColumn], mapper: str
) -> None:
    for column in schema.columns:
        name = source_column(column.name, column_mapping).column
        mapped = f"; --{mapper}={column.name}:THEIRS maps another column" if mapper else ""
        if name not in found.names:
            if column.is_required or column.name in column_mapping:
                have = ", ".join(found.names)
                what = f"{column.meaning or column.name}, {plain_type(column.type)}"
                raise UsageError(f"{path}: no column {name!r} ({what}); it has {have}{mapped}")
        elif found.names.count(name) > 1:
            raise UsageError(f"{path}: more than one column {name!r}{mapped}")
        elif not is_convertible(kind := found.field(name).type, column.type):
            wanted = plain_type(column.type)
            raise UsageError(f"{path}: column {name!r} is {kind}, but {column.name} must be {wanted}{mapped}")


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that users should provide: that of the values of a dictionary column."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _newest(files: list[str], footers: list[pq.FileMetaData], column: str) -> datetime | None:
    """Return the maximum of a time column, from the footers, or from the column where a footer lacks statistics."""
    times = [_newest_of(path, footer, column) for path, footer in zip(files, footers, strict=True)]
    return max((time for time in times if time is not None), default=None)


def _newest_of(path: str, footer: pq.FileMetaData, column: str) -> datetime | None:
    if not footer.num_rows:
        return None
    schema = footer.schema.to_arrow_schema()
    place = [footer.schema.column(leaf).path for leaf in range(len(footer.schema))].index(column)
    groups = [footer.row_group(group) for group in range(footer.num_row_groups)]
    statistics = [group.column(place).statistics for group in groups if group.num_rows]
    if all(one is not None and (one.has_min_max or one.num_values == 0) for one in statistics):
        # as integers: times in files can exceed the range of Python's
        numbers = [one.max_raw for one in statistics if one.has_min_max]
        times = pa.chunked_array([pa.array(numbers, pa.int64()).cast(schema.field(column).type)])
    else:
        with open_parquet(path) as file:
            times = file.read(columns=[column]).column(0)
    newest = pc.max(convert(times, TIMESTAMP)).as_py()
    return newest and newest.astimezone(timezone.utc)


def default_as_of(newest: datetime | None, now: datetime) -> datetime:
    """Return the default of --as_of (UsageError: no event has a time, or the newest is in the future)."""
    if newest is None:
        raise UsageError("no event has a time: give --as_of")
    if newest > now + timedelta(days=1):
        raise UsageError(f"the newest event is of {newest:%Y-%m-%d %H:%M}, which is in the future: give --as_of")
    return newest + timedelta(microseconds=1)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
