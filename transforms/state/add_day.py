"""Add the events of a day to a state, and read the events of all days.

    day's events --- shuffle to buckets ---> (bucket, day) -+- files of the bucket beside ---> (bucket, all days)
                                                            +- sorted ---> StateFile

Only the day is shuffled. Every seventh day a bucket is written as one file with all days: on day number d the buckets b
with (b + d) mod 7 = 0, so that each day writes as much.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.state.state_days import StateFile, StatePlan
from transforms.tables.artifacts import Single
from transforms.tables.buckets import Element, GroupByBucket
from transforms.tables.columns import to_frame, to_table
from transforms.tables.failures import UnreadableFileError
from transforms.tables.files import parquet_bytes, read_bytes, write_atomically
from transforms.tables.hashing import split_by_bucket
from transforms.tables.schemas import EVENT_ROWS, EVENTS
from transforms.tables.stage_counters import StageCounters

_CODED = [column.name for column in EVENT_ROWS.columns if pa.types.is_dictionary(column.type)]


@dataclass(eq=False)
class AddDay(beam.PTransform):
    """Apply read_bucket() and write_bucket() to every bucket of a day's EVENT_ROWS.

    `.expand` returns (EVENT_ROWS of all days, StateFiles).
    """

    plan: StatePlan

    def expand(self, events: beam.PCollection) -> Any:  # Beam warns of a tuple
        """Shuffle the day, then read the other days beside it, and write it."""
        every = events.pipeline | Single((0, EVENT_ROWS.empty()), Element)
        grouped = (events, every) | beam.Flatten() | GroupByBucket("user_id", self.plan.num_buckets, split_to_every)
        return (
            grouped | beam.MapTuple(partial(read_bucket, plan=self.plan)).with_output_types(Element),
            grouped | beam.FlatMapTuple(partial(write_bucket, plan=self.plan)).with_output_types(StateFile),
        )


def split_to_every(table: pa.Table, column: str, num_buckets: int) -> Iterator[Element]:
    """Yield the rows of each bucket; a table without rows goes to every bucket, so that there is one."""
    if table.num_rows == 0:
        yield from ((bucket, table) for bucket in range(num_buckets))
    yield from split_by_bucket(table, column, num_buckets)


def read_bucket(bucket: int, day: pa.Table, *, plan: StatePlan) -> Element:
    """Return the events of a bucket, of the day and of all days before."""
    with StageCounters("read_bucket", bucket) as counters:
        table = pa.concat_tables([*(read_file(plan.path, file) for file in plan.files_of(bucket)), day])
        table = table.unify_dictionaries().combine_chunks()
        counters.record(table)
    return bucket, table


def write_bucket(bucket: int, day: pa.Table, *, plan: StatePlan) -> Iterator[StateFile]:
    """Write the events of a bucket, of the day or of all days; nothing where nothing is new."""
    files = plan.files_of(bucket)
    is_base = plan.is_compacted(bucket) and len(files) + bool(day.num_rows) > 1
    if not day.num_rows and not is_base:
        return
    with StageCounters("write_bucket", bucket) as counters:
        rows = pa.concat_tables([*(read_file(plan.path, file) for file in files if is_base), day])
        content = sorted_bytes(to_frame(rows))
        digest = hashlib.sha256(content).hexdigest()
        path = plan.path_of(bucket, digest)
        write_atomically(f"{plan.path}/{path}", content)
        counters.rows, counters.bytes = rows.num_rows, len(content)
    yield StateFile(bucket, path, rows.num_rows, len(content), digest, is_base)


def sorted_bytes(rows: pl.DataFrame) -> bytes:
    """Encode EVENT_ROWS as Parquet, sorted by user, time and all else: the same rows give the same bytes."""
    ordered = rows.sort(
        "user_id", "played_at", *(name for name in EVENTS.names if name not in ("user_id", "played_at"))
    )
    return parquet_bytes(to_table(ordered, EVENTS))


def read_file(state: str, file: StateFile) -> pa.Table:
    """Read a file of a state as EVENT_ROWS (UnreadableFileError: it is not what the day that names it states)."""
    path = f"{state}/{file.path}"
    try:
        content = read_bytes(path)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise UnreadableFileError(f"{path} was changed: its sha256 is not that of the state's day")
        found = pq.read_table(pa.BufferReader(content), read_dictionary=_CODED)
        # an earlier version may have known fewer columns
        known = {name: found.column(name) for name in found.schema.names}
        columns = [known.get(one.name, pa.nulls(found.num_rows, one.type)) for one in EVENT_ROWS.columns]
        return pa.table(columns, names=EVENT_ROWS.names).cast(EVENT_ROWS.arrow)
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(f"{path}: {error}") from error
