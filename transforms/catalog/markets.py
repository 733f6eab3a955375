"""The popularity weight of a play, and the number of popular tracks kept for a market."""

from datetime import datetime

import polars as pl

from transforms.events.ages import days_since

# Popularity is summed in fixed point: integer sums are the same in every order.
POPULARITY_UNIT = 2**20
TRACKS_PER_MARKET = 200


def decayed_play(as_of: datetime, half_life_days: float) -> pl.Expr:
    """Return the popularity of a row of PLAYS: 1, halved per half-life of age, in units of 1 / POPULARITY_UNIT."""
    days = days_since("played_at", as_of)
    return (POPULARITY_UNIT * pl.lit(2.0).pow(-days / half_life_days)).round().cast(pl.Int64)
