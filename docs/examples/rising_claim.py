"""The claim behind the reason of the source `rising`, for homeshelf check."""

import polars as pl

REASON_CLAIMS = (
    # "where you are" can only be said to someone whose market is known
    (pl.col("reason") == "On the rise where you are") & pl.col("market").is_not_null() & (pl.col("played") == 0),
)
