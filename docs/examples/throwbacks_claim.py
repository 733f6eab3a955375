"""The claim of the shelf `throwbacks`, for homeshelf check; nothing here is taken from the shelf."""

import polars as pl

from pipelines.check.claim import ShelfClaim

SHELF_CLAIMS = (
    ShelfClaim(
        "throwbacks",
        "Throwbacks",
        holds=(pl.col("played") == 0) & (pl.col("release_days") >= 15 * 365),
        max_artist_tracks=2,
    ),
)
