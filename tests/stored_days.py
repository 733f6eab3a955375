"""States of a log, grown without Beam."""

from collections.abc import Iterable, Mapping

import polars as pl
import pyarrow as pa

from pipelines.inputs.state import plan_state
from transforms.state.add_day import read_bucket, split_to_every, write_bucket
from transforms.state.commit_day import commit_day
from transforms.state.state_days import StatePlan
from transforms.tables.buckets import Element
from transforms.tables.columns import to_table
from transforms.tables.schemas import EVENT_ROWS

STARTED_AT = "2026-01-01T00:00:00+00:00"


def plan_day(state: str, day: str, run: str = "run=a", num_buckets: int = 3) -> StatePlan:
    return plan_state(state, "/elsewhere", f"/elsewhere/ds={day}/{run}", num_buckets)


def by_bucket(events: pl.DataFrame, plan: StatePlan) -> Mapping[int, pa.Table]:
    """Return the EVENT_ROWS of each bucket, as AddDay shuffles them."""
    pieces: dict[int, list[pa.Table]] = {}
    for table in (EVENT_ROWS.empty(), to_table(events.select(EVENT_ROWS.names), EVENT_ROWS)):
        for bucket, piece in split_to_every(table, "user_id", plan.num_buckets):
            pieces.setdefault(bucket, []).append(piece)
    return {bucket: pa.concat_tables(found) for bucket, found in pieces.items()}


def add_events(plan: StatePlan, events: pl.DataFrame) -> list[Element]:
    """Add a day to a state; return the events of all days, by bucket."""
    buckets = by_bucket(events, plan)
    stored = [read_bucket(bucket, rows, plan=plan) for bucket, rows in buckets.items()]
    commit_day(plan, STARTED_AT, files_of(buckets, plan))
    return stored


def files_of(buckets: Mapping[int, pa.Table], plan: StatePlan) -> Iterable[object]:
    return [file for bucket, rows in buckets.items() for file in write_bucket(bucket, rows, plan=plan)]
