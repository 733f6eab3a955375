"""A shelf: old tracks that the user has never played."""

import polars as pl

from transforms.pages.shelves.conditions import BY_SCORE, HAS_PLAYS, UNPLAYED
from transforms.pages.shelves.shelf import Shelf

OLD_DAYS = 15 * 365.25

SHELVES = (
    Shelf(
        "throwbacks",
        "Throwbacks",
        "{track} has aged well",
        where=UNPLAYED & HAS_PLAYS & (pl.col("days_since_release") >= OLD_DAYS),
        order=BY_SCORE,
        sentence="unplayed tracks that came out 15 years ago or more",
        max_artist_tracks=2,
        needs=("release_date",),
    ),
)
