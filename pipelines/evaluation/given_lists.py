"""Lists that other recommenders made (--lists): their names and files, and the cutoffs that they are for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pyarrow.compute as pc

from pipelines.backtest import SOURCE_NAMES
from pipelines.evaluation.baselines import BASELINES
from pipelines.evaluation.tuning import BEST_BLEND
from pipelines.inputs.inputs import InputTable, inspect_input
from pipelines.options.evaluation_options import EvaluateOptions
from pipelines.options.flag_kinds import parse_path
from pipelines.options.options import UsageError
from transforms.evaluation.metrics.system import FIRST_STAGE, PAGE, RANKER
from transforms.evaluation.schemas import ARRIVED_LATE, LISTS, PLAYED_BEFORE, TARGET
from transforms.reading.read_tables import read_row_group
from transforms.tables.columns import Column, Schema

_OWN_NAMES = {TARGET, PLAYED_BEFORE, ARRIVED_LATE, PAGE, RANKER, FIRST_STAGE, BEST_BLEND, *SOURCE_NAMES}


def find_lists(options: EvaluateOptions) -> dict[str, InputTable]:
    """Return the tables that --lists names (UsageError: a name or a table cannot be used, --oracle is not a list)."""
    taken = _OWN_NAMES | {entry.name for entry in BASELINES}
    lists: dict[str, InputTable] = {}
    for part in filter(None, options.lists.split(",")):
        name, colon, path = part.partition(":")
        if not (name and colon and path):
            raise UsageError(f"--lists: {part!r} is not of the form name:path")
        if name in taken or name in lists:
            raise UsageError(f"--lists: {name!r} is the name of another system")
        lists[name] = inspect_input("lists", parse_path(path), None, schema=_list_schema(options))
    if options.oracle and options.oracle not in lists:
        raise UsageError(f"--oracle={options.oracle}: there is no such list among --lists")
    return lists


def _list_schema(options: EvaluateOptions) -> Schema:
    """Return LISTS; with several cutoffs every row must name its own."""
    several = len(options.as_of) > 1
    return Schema(LISTS.name, tuple(_required(column, several) for column in LISTS.columns))


def _required(column: Column, several: bool) -> Column:
    return replace(column, is_required=True) if several and column.name == "cutoff_at" else column


def check_lists(lists: Mapping[str, InputTable], cutoffs: Sequence[datetime]) -> None:
    """Check that every list has rows for every cutoff (UsageError: one has none)."""
    for name, table in lists.items():
        stamps = {cutoff.timestamp() for cutoff in _cutoffs_of(table, cutoffs)}
        for cutoff in cutoffs:
            if cutoff.timestamp() not in stamps:
                raise UsageError(f"--lists={name}: no row for the cutoff {cutoff:%Y-%m-%d %H:%M}")


def _cutoffs_of(table: InputTable, cutoffs: Sequence[datetime]) -> set[datetime]:
    """Return the cutoffs that the rows of a list are for; rows without one are for the first."""
    found: set[datetime] = set()
    schema = Schema("cutoffs", (LISTS["cutoff_at"],))
    for row_group in table.row_groups:
        for rows in read_row_group(row_group, schema=schema, column_mapping={}):
            times = pc.unique(rows.column(0)).to_pylist()
            found |= {cutoffs[0] if time is None else time for time in times}
    return found
