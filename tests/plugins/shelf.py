"""A shelf: tracks with an even code."""

import polars as pl

from transforms.pages.shelves.shelf import Shelf

SHELVES = (
    Shelf(
        "toy_even",
        "Even tracks",
        "The code of {track} is even",
        where=pl.col("track") % 2 == 0,
        order=pl.col("score").clip(1e-6).log() + 50,
        sentence="tracks with an even code",
        is_personal=False,
    ),
)
