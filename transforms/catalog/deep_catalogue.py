"""Tracks by popularity: deciles of plays, and the deep catalogue, the least played tracks."""

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog

# The deep catalogue: the least played tracks that together have this share of all plays, and all tracks without plays.
DEEP_SHARE = 0.2
# Tracks by popularity: each decile has a tenth of all plays, decile 0 the most played tracks.
NUM_DECILES = 10


def is_deep(n_plays: np.ndarray) -> np.ndarray:
    """Return whether each track is of the deep catalogue (see DEEP_SHARE): bool [N]; n_plays: int [N]."""
    order = np.argsort(-n_plays, kind="stable")
    above = np.cumsum(n_plays[order]) - n_plays[order]
    deep = np.empty(len(n_plays), dtype=bool)
    deep[order] = above >= (1 - DEEP_SHARE) * n_plays.sum()
    return deep


def popularity_deciles(catalog: Catalog) -> pl.Series:
    """Return the popularity decile of each track, int8 [T]: 0 the most played, 9 the tail and tracks without a play.

    The tracks of each decile together have a tenth of all plays.
    """
    ranked = catalog.coded.sort("n_plays", "track", descending=[True, False])
    before = ranked["n_plays"].cum_sum() - ranked["n_plays"]
    decile = (before * NUM_DECILES // max(1, int(ranked["n_plays"].sum()))).clip(0, NUM_DECILES - 1)
    decile = pl.select(pl.when(ranked["n_plays"] > 0).then(decile).otherwise(NUM_DECILES - 1)).to_series()
    return decile.cast(pl.Int8).gather(ranked["track"].arg_sort()).alias("decile")
