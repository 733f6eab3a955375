"""Markets as numbers, and what a play counts for popularity."""

from datetime import datetime

import polars as pl

# Popularity is summed in fixed point: integer sums are the same in every order.
POPULARITY_UNIT = 2**20
TRACKS_PER_MARKET = 200


def decayed_play(as_of: datetime, half_life_days: float) -> pl.Expr:
    """What a row of PLAYS counts for popularity, in fixed point."""
    days = (pl.lit(as_of) - pl.col("played_at")).dt.total_microseconds() / 86_400e6
    return (POPULARITY_UNIT * pl.lit(2.0).pow(-days / half_life_days)).round().cast(pl.Int64)
