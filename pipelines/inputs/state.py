"""The state of --state: checked before a run starts, and read where a command reads the events of a run again."""

import re
from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl
import pyarrow as pa

from pipelines.inputs.input_rows import read_rows
from pipelines.inputs.inputs import InputTable, inspect_input
from pipelines.options.options import UsageError
from transforms.publishing.run_paths import DamagedFileError, is_below
from transforms.reading.source_columns import RowGroup
from transforms.state.state_days import StateDay, StatePlan, check_chain, day_path, list_days, newest_before, read_day
from transforms.tables.files import open_parquet, stat_file
from transforms.tables.schemas import EVENTS


def plan_state(state: str, output: str, folder: str, num_buckets: int) -> StatePlan:
    """Check a state, and return what the run in `folder` adds to it.

    num_buckets: of the run; 0: those of the state, and of one that is begun it is open.

    Raises:
        UsageError: the state is not one that the day of the run can be added to.
    """
    path, day, run = state.rstrip("/"), folder.split("/")[-2].removeprefix("ds="), folder.split("/")[-1]
    if is_below(path, output) or is_below(output, path or "/"):
        raise UsageError(f"--state={state} and --output={output}: give the state a folder of its own")
    try:
        days, before = list_days(path), newest_before(path, day)
        earlier = read_day(path, before) if before else None
        if earlier is None and days and not _is_first(path, days, day):
            raise UsageError(f"--state={state} begins with {days[0]}: no run as of {day} can be added to it")
        if earlier is not None:
            check_chain(path, earlier)
    # Beam's, of a path that no file system has
    except (DamagedFileError, OSError, ValueError) as error:
        raise UsageError(f"--state={state}: {error}") from error
    if earlier and num_buckets not in (0, earlier.num_buckets):
        raise UsageError(f"--num_buckets={num_buckets}: --state={state} has {earlier.num_buckets} buckets")
    return StatePlan(path, day, run, earlier.num_buckets if earlier else num_buckets, earlier)


def _is_first(path: str, days: list[str], day: str) -> bool:
    """Return whether a state was begun with this day, which is run again."""
    return day == days[0] and not read_day(path, day).before


def remark_on(plan: StatePlan) -> str:
    """Return what the events of a run must hold, where that is not the day alone; empty: it is."""
    if plan.earlier is None:
        return f"{plan.path} is begun: --events must hold all events that had arrived by {plan.day}"
    missing = date.fromisoformat(plan.day) - date.fromisoformat(plan.earlier.day)
    if missing <= timedelta(days=1):
        return ""
    return f"{plan.path} ends with {plan.earlier.day}: --events must hold all that arrived since then"


def table_of(path: str, day: StateDay) -> InputTable:
    """Return the files of a day of a state as an input table (UsageError: one of them cannot be read)."""
    groups = []
    for file in day.files:
        full = f"{path}/{file.path}"
        try:
            with open_parquet(full) as parquet:
                rows = [parquet.metadata.row_group(group).num_rows for group in range(parquet.metadata.num_row_groups)]
            groups += [(stat_file(full), group, num_rows) for group, num_rows in enumerate(rows)]
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"{full}: not a readable Parquet file: {error}") from error
    numbered = tuple(RowGroup(number, *group) for number, group in enumerate(groups))
    return InputTable(numbered, {}, day.num_rows, len(day.files))


def events_of_run(options: Mapping[str, str], folder: str) -> InputTable:
    """Return all events that a run read: its files, or with a state those of its day, which hold earlier days too.

    Raises:
        UsageError: they are not there any more.
    """
    state = options.get("state", "").rstrip("/")
    if not state:
        return inspect_input("events", options["events"], options.get("events_columns", ""), schema=EVENTS)
    found = re.search(r"/ds=([\d-]+)/", folder)
    day = found[1] if found else ""
    try:
        return table_of(state, read_day(state, day))
    except FileNotFoundError as error:
        raise UsageError(f"{day_path(state, day)} is not there: a state keeps its last days only") from error
    except (DamagedFileError, OSError) as error:
        raise UsageError(f"{error}") from error


def read_events(options: Mapping[str, str], folder: str, moved: str) -> pl.DataFrame:
    """Return EVENTS of a run; moved: where they are now, empty: where the run read them (UsageError: they are not)."""
    mapping = options.get("events_columns", "")
    found = inspect_input("events", moved, mapping, schema=EVENTS) if moved else events_of_run(options, folder)
    return pl.concat([EVENTS.frame(), *read_rows(found, EVENTS)])
