"""When the events of a log took place, before a run: its span, its mass, and the moment that a run stands at."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.inputs.inputs import InputTable
from pipelines.options.options import UsageError
from transforms.reading.conversions import convert
from transforms.reading.source_columns import RowGroup, SourceColumn, column_of, source_column, type_of
from transforms.reading.text_files import read_text, text_format
from transforms.tables.failures import first_line
from transforms.tables.files import open_parquet
from transforms.tables.schemas import TIMESTAMP

# Times of a part of a log, by day: their number, the earliest and the latest.
_DAYS = {"day": pl.Int64(), "n": pl.Int64(), "oldest": pl.Datetime("us"), "newest": pl.Datetime("us")}
# A log of fewer events has no mass that one of them could lie apart from.
_MIN_EVENTS = 50
# Events apart: at most this share of all, behind a gap, and on days with less than this share of an ordinary day.
_MAX_APART, _THIN_DAY = 0.05, 0.2
_UNIT = "are the times in another unit? --events_columns=played_at:COLUMN@s (or @ms, @us, @ns) gives it"


@dataclass(frozen=True)
class EventTimes:
    """The times of a log; None: no event has one.

    newest: the latest that is not apart from the mass of events. apart: number of events after it. last: the latest of
    all.
    """

    oldest: datetime | None = None
    median: datetime | None = None
    newest: datetime | None = None
    last: datetime | None = None
    apart: int = 0

    @property
    def remark(self) -> str:
        """Return a sentence on the events that are apart; empty if there are none."""
        if not (self.apart and self.newest and self.last):
            return ""
        return (
            f"--as_of follows the mass of events: {self.apart:,} of them, up to {self.last:%Y-%m-%d %H:%M}, lie apart"
            f" after {self.newest:%Y-%m-%d %H:%M} and are left out"
        )


def find_event_times(events: InputTable, *, needs_mass: bool) -> EventTimes:
    """Return the times of events.

    needs_mass: read every time. Else the statistics of the footers are enough where there are any, all rows of a row
    group count as its latest time, and no event is apart.

    Raises:
        UsageError: a file cannot be read.
    """
    column = source_column("played_at", events.column_mapping)
    files = [list(groups) for _, groups in groupby(events.row_groups, key=lambda group: group.file)]
    with ThreadPoolExecutor(4) as threads:
        parts = threads.map(lambda groups: list(_days_of_file(groups, column, needs_mass)), files)
        days = pl.concat([pl.DataFrame(schema=_DAYS), *(part for found in parts for part in found)])
    by_day = days.group_by("day").agg(pl.col("n").sum(), pl.col("oldest").min(), pl.col("newest").max()).sort("day")
    return _summarize(by_day, needs_mass)


def _summarize(by_day: pl.DataFrame, needs_mass: bool) -> EventTimes:
    if by_day.is_empty():
        return EventTimes()
    counts = by_day["n"].to_numpy()
    place = last_of_mass(by_day["day"].to_numpy(), counts) if needs_mass else len(counts) - 1
    middle = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    times = by_day.select(pl.col("oldest", "newest").dt.replace_time_zone("UTC"))
    return EventTimes(
        oldest=times["oldest"][0],
        median=times["newest"][middle],
        newest=times["newest"][place],
        last=times["newest"][-1],
        apart=int(counts[place + 1 :].sum()),
    )


def last_of_mass(days: np.ndarray, counts: np.ndarray) -> int:
    """Return the index of the last day that is not apart from the mass of events.

    days: with events, ascending; counts: of their events. Days are apart behind a gap of more than two days that is
    more than twice as wide as any in the mass, when they are few and thin.
    """
    total = counts.sum()
    if total < _MIN_EVENTS:
        return len(days) - 1
    behind = np.cumsum(counts)
    low, high = np.searchsorted(behind, [_MAX_APART * total, (1 - _MAX_APART) * total])
    gaps = np.diff(days)
    widest = gaps[low:high].max(initial=1)
    by_size = np.sort(counts)
    ordinary = by_size[np.searchsorted(np.cumsum(by_size), total / 2)]
    left = total - behind[:-1]
    is_thin = left / np.arange(len(days) - 1, 0, -1) < _THIN_DAY * ordinary
    is_cut = (gaps > 2 * widest) & is_thin & (left <= _MAX_APART * total)
    return int(np.argmax(is_cut)) if is_cut.any() else len(days) - 1


def _days_of_file(groups: list[RowGroup], column: SourceColumn, needs_mass: bool) -> Iterator[pl.DataFrame]:
    """Yield _DAYS of the row groups of one file."""
    try:
        if text_format(groups[0].path):
            for table in read_text(groups[0].path, {column.column: TIMESTAMP}):
                yield _count_days(_times_of(table, groups[0], column), None)
            return
        with open_parquet(groups[0].path) as file:
            for group in groups:
                numbers = None if needs_mass else _from_statistics(file.metadata, group, column)
                times = _from_column(file, group, column) if numbers is None else numbers
                yield _count_days(times, None if numbers is None else group.rows)
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{groups[0].path}: {first_line(error)}") from error


def _from_column(file: pq.ParquetFile, group: RowGroup, column: SourceColumn) -> pa.ChunkedArray:
    is_there = type_of(column.column, file.schema_arrow) is not None
    return _times_of(file.read_row_group(group.group, columns=[column.column] if is_there else []), group, column)


def _times_of(table: pa.Table, group: RowGroup, column: SourceColumn) -> pa.ChunkedArray:
    """Return the times of rows; where the file has none, that of its path."""
    found = column_of(column.column, table)
    in_path = dict(group.partitions).get(column.column)
    if found is None or (in_path is not None and found.null_count == len(found)):
        found = pa.chunked_array([pa.repeat(in_path, table.num_rows)])
    return convert(found, TIMESTAMP, column.factor)


def _from_statistics(metadata: pq.FileMetaData, group: RowGroup, column: SourceColumn) -> pa.ChunkedArray | None:
    """Return the earliest and the latest time of a row group from its footer; None: it does not have them."""
    kind = type_of(column.column, metadata.schema.to_arrow_schema())
    if kind is None:
        return None
    places = [metadata.schema.column(leaf).path for leaf in range(len(metadata.schema))]
    found = metadata.row_group(group.group).column(places.index(column.column)).statistics
    if found is None or not found.has_min_max or not (pa.types.is_timestamp(kind) or pa.types.is_int64(kind)):
        return None
    # as integers: times in files can exceed the range of Python's
    return convert(
        pa.chunked_array([pa.array([found.min_raw, found.max_raw], pa.int64()).cast(kind)]), TIMESTAMP, column.factor
    )


def _count_days(times: pa.ChunkedArray, num_rows: int | None) -> pl.DataFrame:
    """Count times by day; num_rows: as many events as rows at the last of them, and none at the others."""
    known = pl.DataFrame({"time": pl.Series(pl.from_arrow(times.cast(pa.timestamp("us")))).drop_nulls()})
    day = pl.col("time").dt.epoch("d").cast(pl.Int64)
    days = known.group_by(day=day).agg(
        n=pl.len().cast(pl.Int64), oldest=pl.col("time").min(), newest=pl.col("time").max()
    )
    if num_rows is not None:
        is_last = pl.col("day") == pl.col("day").max()
        days = days.with_columns(n=pl.when(is_last).then(num_rows).otherwise(0))
    return days.select(pl.col(name).cast(kind) for name, kind in _DAYS.items())


def check_times(times: EventTimes, as_of: datetime, *, min_played_at: datetime, label_days: float) -> None:
    """Check that a log has plausible times, and that a moment lies within it (UsageError: it does not)."""
    if times.oldest is None or times.newest is None:
        return
    check_unit(times, min_played_at)
    if as_of <= times.oldest:
        raise UsageError(
            f"--as_of={as_of:%Y-%m-%dT%H:%M}: the first event is of {times.oldest:%Y-%m-%d %H:%M}; {_UNIT}"
        )
    if as_of > times.newest + timedelta(days=label_days):
        raise UsageError(
            f"--as_of={as_of:%Y-%m-%dT%H:%M}: the {label_days:g} days before it (--label_days) have no event; the"
            f" newest is of {times.newest:%Y-%m-%d %H:%M}"
        )


def check_unit(times: EventTimes, min_played_at: datetime) -> None:
    """Check that the median of a log is plausible (UsageError: its numbers have another unit)."""
    if times.median is not None and times.median < min_played_at:
        raise UsageError(f"the median event is of {times.median:%Y-%m-%d}, before --min_played_at; {_UNIT}")


def default_as_of(times: EventTimes, now: datetime) -> datetime:
    """Return the default of --as_of: just after the mass of events (UsageError: there are no times, or future ones)."""
    if times.newest is None:
        raise UsageError("no event has a time: give --as_of")
    if times.newest > now + timedelta(days=1):
        raise UsageError(f"the newest event is of {times.newest:%Y-%m-%d %H:%M}, which is in the future: give --as_of")
    return times.newest + timedelta(microseconds=1)
