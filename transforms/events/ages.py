"""Ages of events and releases as of a moment."""

from datetime import date, datetime

import polars as pl


def days_since(time: str, as_of: datetime) -> pl.Expr:
    """Return the days from the times of a column to `as_of`: Float64, negative for later times."""
    return _microseconds_since(time, as_of) / 86_400e6


def hours_since(time: str, as_of: datetime) -> pl.Expr:
    """Return the hours from the times of a column to `as_of`: Float64, negative for later times."""
    return _microseconds_since(time, as_of) / 3600e6


def whole_days_since(day: str, as_of: date) -> pl.Expr:
    """Return the days from the dates of a column to the day `as_of`: Int64, negative for later dates."""
    return (pl.lit(as_of) - pl.col(day)).dt.total_days()


def _microseconds_since(time: str, as_of: datetime) -> pl.Expr:
    return (pl.lit(as_of) - pl.col(time)).dt.total_microseconds()
