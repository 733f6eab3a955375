"""The table of new columns: read, checked, and joined with candidates as it was known at their moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from pipelines.inputs.inputs import find_files
from pipelines.options.options import UsageError
from transforms.tables.files import open_parquet


@dataclass(frozen=True)
class SignalTable:
    """New columns by key; with `known_at`, when the service learned each row, a key may have many rows.

    rows: the key's columns as text, known_at (µs, UTC), then `columns` as float64, null where there is no finite value.
    """

    rows: pl.DataFrame
    key: tuple[str, ...]
    columns: tuple[str, ...]
    known_at: str

    def at(self, moment: datetime) -> pl.DataFrame:
        """What was known before a moment: one row a key, the newest."""
        if not self.known_at:
            return self.rows
        known = self.rows.filter(pl.col(self.known_at) < moment).sort(self.known_at, maintain_order=True)
        return known.unique(list(self.key), keep="last", maintain_order=True).drop(self.known_at)

    def joined(self, candidates: pl.DataFrame) -> np.ndarray:
        """Return the values of candidates (key, cutoff_at), in order: float64 [n, columns]; NaN: not known by then."""
        keys = candidates.select(pl.col(*self.key).cast(pl.String), "cutoff_at").with_row_index("place")
        parts = [
            part.join(self.at(moment), on=list(self.key), how="left", maintain_order="left").select(
                "place", *self.columns
            )
            for (moment,), part in keys.partition_by("cutoff_at", as_dict=True).items()
            if isinstance(moment, datetime)
        ]
        ordered = pl.concat(parts).sort("place") if parts else pl.DataFrame(schema=dict.fromkeys(self.columns, float))
        return ordered.select(pl.col(self.columns).cast(pl.Float64).fill_null(float("nan"))).to_numpy()


def read_signals(path: str, key: tuple[str, ...], known_at: str, columns: Sequence[str]) -> SignalTable:
    """Read a table; without `columns` all that are neither key nor time are signals.

    Raises:
        UsageError: the table is not there, has not these columns or no others, has one of text or of lists, or more
            than one row of a key at a moment.
    """
    named = (*key, *((known_at,) if known_at else ()))
    parts = [_read(file, named, columns) for file in find_files("table", path)]
    try:
        rows = pl.concat(parts, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"--table={path}: its files have different columns: {str(error).splitlines()[0]}") from error
    if len(doubles := rows.filter(pl.struct(named).is_duplicated())):
        first = ", ".join(f"{name} {value}" for name, value in doubles.select(named).row(0, named=True).items())
        advice = "" if known_at else "; --known_at=COLUMN says when each was learned, and the newest of then is taken"
        raise UsageError(f"--table={path}: {len(doubles):,} rows share their key, first {first}{advice}")
    return SignalTable(rows, key, tuple(name for name in rows.columns if name not in named), known_at)


def _read(file: str, named: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    with open_parquet(file) as opened:
        has = opened.schema_arrow.names
        if missing := [name for name in (*named, *columns) if name not in has]:
            raise UsageError(f"{file}: no column {missing[0]!r}; it has {', '.join(has)}")
        signals = [name for name in columns or has if name not in named]
        if not signals:
            raise UsageError(f"{file}: no column to judge beside {', '.join(named)}")
        rows = pl.DataFrame(pl.from_arrow(opened.read(columns=[*named, *signals])))
    keys = [_key(rows[name], file) for name in named if name in ("user_id", "track_id")]
    times = [_time(rows[name], file) for name in named if name not in ("user_id", "track_id")]
    return pl.DataFrame([*keys, *times, *(_number(rows[name], file) for name in signals)])


def _key(values: pl.Series, file: str) -> pl.Series:
    if not (values.dtype.is_integer() or values.dtype in (pl.String, pl.Categorical, pl.Enum)):
        raise UsageError(f"{file}: column {values.name!r} is {values.dtype}; a key is text or a whole number")
    return values.cast(pl.String)


def _time(values: pl.Series, file: str) -> pl.Series:
    if values.dtype == pl.Date:
        # a day is over before what happened on it is known
        return values.cast(pl.Datetime("us")).dt.offset_by("1d").dt.replace_time_zone("UTC")
    if not isinstance(values.dtype, pl.Datetime):
        raise UsageError(f"{file}: --known_at={values.name} is {values.dtype}; it must be a time, or a date")
    zoned = values if values.dtype.time_zone else values.dt.replace_time_zone("UTC")
    return zoned.dt.convert_time_zone("UTC").dt.cast_time_unit("us")


def _number(values: pl.Series, file: str) -> pl.Series:
    if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise UsageError(
            f"{file}: column {values.name!r} is {values.dtype}; a signal is a number, or true or false: give each value"
            " of a category a column of its own, an age instead of a time; or leave it out with --columns"
        )
    number = values.cast(pl.Float64)
    return number.set(~number.is_finite(), None)
