"""Markets as numbers, and what a play counts for popularity."""

from datetime import datetime

import polars as pl

# Popularity is summed in fixed point: integer sums are the same in every order.
POPULARITY_UNIT = 2**20
TRACKS_PER_MARKET = 200


def market_code(market: pl.Expr) -> pl.Expr:
    """ISO 3166 letters, in upper or lower case, as a number (Int16); null: no such letters."""
    letters = market.cast(pl.String).str.to_uppercase()
    first, second = (letters.str.slice(at, 1).cast(pl.Binary).bin.reinterpret(dtype=pl.UInt8) for at in (0, 1))
    number = first.cast(pl.Int16) * 26 + second.cast(pl.Int16) - 27 * ord("A")
    return pl.when(letters.str.contains(r"^[A-Z]{2}$")).then(number)


def decayed(as_of: datetime, half_life_days: float) -> pl.Expr:
    """What a row of PLAYS counts for popularity, in fixed point."""
    days = (pl.lit(as_of) - pl.col("played_at")).dt.total_microseconds() / 86_400e6
    return (POPULARITY_UNIT * pl.lit(2.0).pow(-days / half_life_days)).round().cast(pl.Int64)
