"""homeshelf init: a first file of flags, from what the tables look like."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.configuration.config_file import RULES_SCHEMA_PATH, SCHEMA_PATH
from pipelines.configuration.guess_columns import Guess, guess_columns
from pipelines.configuration.print_config import yaml_value
from pipelines.inputs.column_mapping import parse_mapping
from pipelines.inputs.input_files import find_files
from pipelines.inputs.inputs import path_columns
from pipelines.options.options import UsageError
from pipelines.options.setup_options import InitOptions
from pipelines.rendering.output import say
from transforms.reading.text_files import sample_text, text_format
from transforms.tables.columns import Schema
from transforms.tables.failures import first_line
from transforms.tables.files import open_parquet, write_atomically
from transforms.tables.schemas import EVENTS, TRACKS, USERS

_SAMPLE_ROWS = 1_000
_TABLES = (
    ("events", EVENTS, "who played what, and when"),
    ("tracks", TRACKS, "the catalog: with it pages know artists, genres and releases"),
    ("users_table", USERS, "users and their markets; those without events get a page too"),
)
_HEAD = """\
# yaml-language-server: $schema={schema}
# Flags of homeshelf, guessed from the tables: look at each guess. Every command reads this file, and a flag on its
# command line goes before it; homeshelf run --help lists all flags.
#
#   homeshelf validate --config={file}
#   homeshelf run --config={file}
#   homeshelf preview --run={output} --file=home.html
"""
_TAIL = """\
# A service with a few thousand listeners learns more from several weeks:
# training_windows: [2, 3, 4]
# Pages as of a moment of the past, instead of just after the newest event:
# as_of: 2026-01-01
# Tracks on a shelf, shelves on a page, and how much chance there is:
# shelf_size: 12
# max_shelves: 7
# exploration: 0.0
# rules: rules.yaml
"""


def write_config(options: InitOptions) -> int:
    """Guess the columns of each table, and write the file of flags.

    Raises:
        UsageError: the file is there already, a table cannot be read, or a column that must be there is not found.
    """
    if Path(options.file).exists():
        raise UsageError(f"--file={options.file}: it is there already, and is not replaced")
    parts = [_HEAD.format(file=options.file, output=options.output, schema=SCHEMA_PATH.name)]
    for name, schema, meaning in _TABLES:
        path, given = getattr(options, name), getattr(options, f"{name}_columns")
        parts.append("\n".join(_table_lines(name, path, given, schema, meaning)))
    parts.append(f"# Where runs are written.\noutput: {yaml_value(options.output)}")
    text = "\n\n".join(part.rstrip("\n") for part in (*parts, _TAIL)) + "\n"
    try:
        write_atomically(options.file, text.encode())
        for one in (SCHEMA_PATH, RULES_SCHEMA_PATH):
            write_atomically(str(Path(options.file).with_name(one.name)), one.read_bytes())
    except OSError as error:
        raise UsageError(f"--file={options.file}: {error.strerror}") from error
    say(f"{options.file} is written: look at its guesses, then run\n\n  homeshelf validate --config={options.file}")
    return 0


def _table_lines(name: str, path: str, given: str, schema: Schema, meaning: str) -> Iterator[str]:
    """Yield the lines of one table: its path, and the columns that have other names or units."""
    yield f"# {meaning[:1].upper()}{meaning[1:]}."
    if not path:
        yield f"# {name}: data/{name.removesuffix('_table')}"
        return
    yield f"{name}: {yaml_value(path)}"
    rows = read_first_rows(name, path)
    guesses = complete_guesses(name, rows, given, schema)
    lines = [f"  {one.ours}: {yaml_value(one.theirs)}  # {one.why}" for one in guesses if one.ours != one.theirs]
    if lines:
        yield f"{name}_columns:"
        yield from lines
    as_they_are = [one.ours for one in guesses if one.ours == one.theirs]
    if as_they_are:
        yield f"# read as they are: {', '.join(as_they_are)}"
    used = {one.theirs for one in guesses} | {one.theirs.split("@")[0].split("*")[0] for one in guesses}
    if unused := [column for column in rows.columns if column not in used]:
        yield f"# not read: {', '.join(unused)}"


def complete_guesses(name: str, rows: pl.DataFrame, given: str, schema: Schema) -> Sequence[Guess]:
    """Return what is given of a mapping, and guesses of the rest (UsageError: a needed column is not found)."""
    mapped = parse_mapping(f"{name}_columns", given, schema)
    texts = {part.partition(":")[0]: part.partition(":")[2] for part in given.split(",") if part}
    others = {guess.ours: guess for guess in guess_columns(rows, schema) if guess.ours not in mapped}
    found = [Guess(one, texts.get(one, mapped[one].column), "given") for one in mapped] + list(others.values())
    for column in schema.columns:
        if column.is_required and column.name not in {one.ours for one in found}:
            raise UsageError(
                f"--{name}: no column looks like {column.name} ({column.meaning}); there are {', '.join(rows.columns)}:"
                f" --{name}_columns={column.name}:THEIRS names it"
            )
    return found


def read_first_rows(name: str, path: str) -> pl.DataFrame:
    """Return the first rows of the first file of a table, with all columns (UsageError: it cannot be read)."""
    file = find_files(name, path).files[0]
    try:
        if text_format(file.path):
            rows = sample_text(file.path)
        else:
            with open_parquet(file.path) as opened:
                rows = _first_rows(opened)
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{file.path}: {first_line(error)}") from error
    # columns of the folders' names
    return rows.with_columns(**{key: pl.lit(value) for key, value in path_columns(file.path).items()})


def _first_rows(file: pq.ParquetFile) -> pl.DataFrame:
    batch = next(file.iter_batches(_SAMPLE_ROWS), None)
    table = file.schema_arrow.empty_table() if batch is None else pa.Table.from_batches([batch])
    return pl.DataFrame(pl.from_arrow(table))
