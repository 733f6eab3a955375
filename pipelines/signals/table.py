"""The table of new columns, and its join with candidates as of their cutoffs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from pipelines.inputs.input_files import find_files
from pipelines.options.options import UsageError
from transforms.tables.files import open_parquet


@dataclass(frozen=True)
class SignalTable:
    """New columns by key.

    rows: the key's columns as text, the column `known_at` (µs, UTC), then `columns` as float64, null where there is no
        finite value.
    key: user_id, track_id or both.
    columns: names of the new columns.
    known_at: the column that says when the service learned a row; then a key may have many rows. Empty: none.
    """

    rows: pl.DataFrame
    key: tuple[str, ...]
    columns: tuple[str, ...]
    known_at: str

    def as_of(self, moment: datetime) -> pl.DataFrame:
        """Return the newest row of each key that the service had learned before a moment."""
        if not self.known_at:
            return self.rows
        known = self.rows.filter(pl.col(self.known_at) < moment).sort(self.known_at, maintain_order=True)
        return known.unique(list(self.key), keep="last", maintain_order=True).drop(self.known_at)

    def values_for(self, candidates: pl.DataFrame) -> np.ndarray:
        """Return the values of candidates (key, cutoff_at) as of their cutoffs, float64 [n, columns]; NaN: missing."""
        keys = candidates.select(pl.col(*self.key).cast(pl.String), "cutoff_at").with_row_index("row")
        parts = [
            part.join(self.as_of(moment), on=list(self.key), how="left", maintain_order="left").select(
                "row", *self.columns
            )
            for (moment,), part in keys.partition_by("cutoff_at", as_dict=True).items()
            if isinstance(moment, datetime)
        ]
        ordered = pl.concat(parts).sort("row") if parts else pl.DataFrame(schema=dict.fromkeys(self.columns, float))
        return ordered.select(pl.col(self.columns).cast(pl.Float64).fill_null(float("nan"))).to_numpy()


def read_signals(path: str, key: tuple[str, ...], known_at: str, columns: Sequence[str]) -> SignalTable:
    """Read a table of new columns.

    Args:
        path: a Parquet file, a folder or a pattern.
        key: user_id, track_id or both.
        known_at: the column that says when the service learned a row; empty: none.
        columns: names of the new columns; empty: all that are neither key nor `known_at`.

    Raises:
        UsageError: there is no such table, it lacks one of these columns, it has no new column or one that is not a
            number, or it has several rows of a key at one moment.
    """
    named = (*key, *((known_at,) if known_at else ()))
    parts = [_read(file.path, named, columns) for file in find_files("table", path).files]
    try:
        rows = pl.concat(parts, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"--table={path}: its files have different columns: {str(error).splitlines()[0]}") from error
    if len(duplicates := rows.filter(pl.struct(named).is_duplicated())):
        first = ", ".join(f"{name} {value}" for name, value in duplicates.select(named).row(0, named=True).items())
        advice = (
            "" if known_at else "; with --known_at=COLUMN, the time it was learned, the newest before a cutoff counts"
        )
        raise UsageError(f"--table={path}: {len(duplicates):,} rows share their key, first {first}{advice}")
    return SignalTable(rows, key, tuple(name for name in rows.columns if name not in named), known_at)


def _read(file: str, named: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Read one file: key and time, then the new columns."""
    with open_parquet(file) as opened:
        names = opened.schema_arrow.names
        if missing := [name for name in (*named, *columns) if name not in names]:
            raise UsageError(f"{file}: no column {missing[0]!r}; it has {', '.join(names)}")
        signals = [name for name in columns or names if name not in named]
        if not signals:
            raise UsageError(f"{file}: it has no new column, only {', '.join(named)}")
        rows = pl.DataFrame(pl.from_arrow(opened.read(columns=[*named, *signals])))
    keys = [_as_key(rows[name], file) for name in named if name in ("user_id", "track_id")]
    times = [_as_time(rows[name], file) for name in named if name not in ("user_id", "track_id")]
    return pl.DataFrame([*keys, *times, *(_as_number(rows[name], file) for name in signals)])


def _as_key(values: pl.Series, file: str) -> pl.Series:
    if not (values.dtype.is_integer() or values.dtype in (pl.String, pl.Categorical, pl.Enum)):
        raise UsageError(f"{file}: column {values.name!r} is {values.dtype}; a key is text or a whole number")
    return values.cast(pl.String)


def _as_time(values: pl.Series, file: str) -> pl.Series:
    if values.dtype == pl.Date:
        # what happened on a day is known when the day is over
        return values.cast(pl.Datetime("us")).dt.offset_by("1d").dt.replace_time_zone("UTC")
    if not isinstance(values.dtype, pl.Datetime):
        raise UsageError(f"{file}: --known_at={values.name} is {values.dtype}; it must be a time, or a date")
    zoned = values if values.dtype.time_zone else values.dt.replace_time_zone("UTC")
    return zoned.dt.convert_time_zone("UTC").dt.cast_time_unit("us")


def _as_number(values: pl.Series, file: str) -> pl.Series:
    if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise UsageError(
            f"{file}: column {values.name!r} is {values.dtype}; a signal is a number, or true or false. Give each value"
            " of a category its own column, replace a time by an age, or leave the column out with --columns"
        )
    number = values.cast(pl.Float64)
    return number.set(~number.is_finite(), None)
