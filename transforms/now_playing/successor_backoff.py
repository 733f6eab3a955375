"""The back-off of successors: neighbours of a track, and tracks that are like it by artist, genre and content."""

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.now_playing.successor_tables import CONTENT, NEARBY, SUCCESSOR_SOURCES
from transforms.tables.groups import first_of_groups

_SHARES = {NEARBY: 0.7, CONTENT: 0.3}
# What content offers to a track, from the most popular tracks of its artist, its genre and all: how many of them, and
# their weight, which likeness of the vectors changes by _LIKENESS for a cosine of 1, in units of log weight.
_OFFERED = {"artist": (20, 0.6), "genre": (60, 0.3), "all": (60, 0.1)}
_LIKENESS = 4.0
_TRACKS_PER_BLOCK = 5_000
_UNIT = 2**40


def backoff_shares(tracks: pl.Series, catalog: Catalog, vectors: np.ndarray, is_out: np.ndarray) -> pl.DataFrame:
    """Return track, other, share and source: of each track shares that sum to 1, or none where nothing is known.

    vectors: of unit length, [N, V]; V is 0 where the catalog has none. is_out: tracks that may not come next, bool [N].
    """
    allowed = catalog.coded.filter(~pl.Series(is_out)).with_columns(all=pl.lit(0))
    best = allowed.sort("popularity", "track", descending=[True, False])
    pools = {group: first_of_groups(best.drop_nulls(group), group, most) for group, (most, _) in _OFFERED.items()}
    starts = range(0, len(tracks), _TRACKS_PER_BLOCK)
    blocks = [tracks[start : start + _TRACKS_PER_BLOCK] for start in starts] or [tracks]
    parts = [
        part for block in blocks for part in (_near(block, catalog, is_out), _alike(block, catalog, pools, vectors))
    ]
    return _with_shares(pl.concat(parts))


def _near(tracks: pl.Series, catalog: Catalog, is_out: np.ndarray) -> pl.DataFrame:
    """Return the neighbours of tracks that may come next, weighted by similarity."""
    code = tracks.to_numpy()
    other, weight = np.asarray(catalog.neighbours[code]), np.asarray(catalog.similarities[code])
    row, place = np.nonzero((other >= 0) & ~is_out[np.maximum(other, 0)])
    return _rows(code[row], other[row, place], weight[row, place], NEARBY)


def _alike(tracks: pl.Series, catalog: Catalog, pools: dict[str, pl.DataFrame], vectors: np.ndarray) -> pl.DataFrame:
    """Return tracks by the artist, of the genre and of all, weighted by likeness."""
    asked = catalog.coded.select("track", "artist", "genre", all=pl.lit(0))[tracks.to_numpy()]
    found = [
        asked.select("track", group)
        .join(pool.select(group, other="track"), on=group)
        .select("track", "other", weight=(_OFFERED[group][1] * _UNIT / pl.len().over("track")).round().cast(pl.Int64))
        for group, pool in pools.items()
    ]
    # whole numbers: their sums are the same in every order
    offers = pl.concat(found).group_by("track", "other").agg(pl.col("weight").sum() / _UNIT).sort("track", "other")
    code, other = offers["track"].to_numpy(), offers["other"].to_numpy()
    likeness = np.einsum("nv,nv->n", vectors[code], vectors[other]) if vectors.shape[1] else np.zeros(len(offers))
    return _rows(code, other, offers["weight"].to_numpy() * np.exp(_LIKENESS * likeness), CONTENT)


def _rows(track: np.ndarray, other: np.ndarray, weight: np.ndarray, source: str) -> pl.DataFrame:
    rows = pl.DataFrame({"track": track, "other": other, "weight": weight.astype(np.float64)})
    kept = rows.cast({"track": pl.Int32, "other": pl.Int32}).filter(pl.col("track") != pl.col("other"))
    return kept.with_columns(source=pl.lit(SUCCESSOR_SOURCES.index(source), pl.Int8))


def _with_shares(rows: pl.DataFrame) -> pl.DataFrame:
    """Make weights of a source sum to its share; where a track has one source only, to 1."""
    shares = {SUCCESSOR_SOURCES.index(name): share for name, share in _SHARES.items()}
    share = pl.col("source").replace_strict(shares, return_dtype=pl.Float64)
    weighed = rows.filter(pl.col("weight") > 0).with_columns(
        share=share * pl.col("weight") / pl.col("weight").sum().over("track", "source")
    )
    return weighed.select("track", "other", pl.col("share") / pl.col("share").sum().over("track"), "source")
