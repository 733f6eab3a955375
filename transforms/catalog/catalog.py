"""The Catalog artifact: metadata, statistics and neighbours of every track as of a moment, opened once per process."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from transforms.catalog.markets import POPULARITY_UNIT
from transforms.tables.artifacts import local_copy
from transforms.tables.columns import to_table
from transforms.tables.groups import rank_in_run
from transforms.tables.schemas import CATALOG


@dataclass(frozen=True)
class Catalog:
    """All N tracks as of a moment.

    tracks: one row per track, columns of CATALOG; row i is the track with code i (track ids are sorted).
    neighbours: int32 [N, K], codes of the most similar tracks, most similar first, padded with -1.
    similarities: float32 [N, K], their similarities, padded with 0.
    markets: columns of MARKET_COUNTS with popularity in plays, the most popular tracks of each market first.
    """

    tracks: pl.DataFrame
    neighbours: np.ndarray
    similarities: np.ndarray
    markets: pl.DataFrame

    def has(self, fact: str) -> bool:
        """Return whether any track has a value in the column `fact`; for "market", whether any market is known."""
        return not self.markets.is_empty() if fact == "market" else self.tracks[fact].count() > 0

    @functools.cached_property
    def coded(self) -> pl.DataFrame:
        """Return `tracks` with a column `track`: the code."""
        return self.tracks.with_row_index("track").cast({"track": pl.Int32})

    @functools.cached_property
    def recording(self) -> np.ndarray:
        """Return the code of the track that stands for the recording of each track: int32 [N]."""
        return self.coded.select(pl.coalesce("recording", "track")).to_series().to_numpy()

    @functools.cached_property
    def is_copy(self) -> np.ndarray:
        """Return whether another track stands for the recording of each track, bool [N]: it has no plays of its own."""
        return self.recording != np.arange(len(self.tracks))

    @functools.cached_property
    def copies(self) -> pl.DataFrame:
        """Return the other tracks of the recordings that have several, the earliest first: track, copy, release_date.

        track: the code of the track that stands for the recording. copy: the code of another one.
        """
        others = self.coded.filter(pl.Series(self.is_copy))
        named = others.select("release_date", track="recording", copy="track")
        return named.sort("track", "release_date", "copy", nulls_last=False)

    @functools.cached_property
    def by_popularity(self) -> pl.DataFrame:
        """Return `coded` sorted by falling popularity, then plays, then code."""
        return self.coded.sort("popularity", "n_plays", "track", descending=[True, True, False])


def write_catalog(
    directory: Path, tracks: pl.DataFrame, neighbours: pl.DataFrame, markets: pl.DataFrame, num_neighbours: int
) -> None:
    """Write CATALOG rows by code, NEIGHBOURS in any order, and MARKET_COUNTS."""
    ordered = neighbours.sort("track", "similarity", "other", descending=[False, True, False])
    row = ordered["track"].to_numpy()
    place = rank_in_run(row)
    near = np.full((len(tracks), num_neighbours), -1, dtype=np.int32)
    similar = np.zeros((len(tracks), num_neighbours), dtype=np.float32)
    near[row, place], similar[row, place] = ordered["other"].to_numpy(), ordered["similarity"].to_numpy()
    pl.DataFrame(pl.from_arrow(to_table(tracks.select(CATALOG.names), CATALOG))).write_parquet(
        directory / "tracks.parquet"
    )
    plays = pl.col("popularity") / POPULARITY_UNIT
    markets.with_columns(plays).write_parquet(directory / "markets.parquet")
    np.save(directory / "neighbours.npy", near)
    np.save(directory / "similarities.npy", similar)


@functools.lru_cache(maxsize=8)
def open_catalog(path: str) -> Catalog:
    """Open the artifact; neighbours and similarities are memory-mapped.

    Raises:
        FileNotFoundError: there is no artifact at the path.
    """
    directory = local_copy(path)
    neighbours = np.load(directory / "neighbours.npy", mmap_mode="r")
    similarities = np.load(directory / "similarities.npy", mmap_mode="r")
    tracks, markets = (pl.read_parquet(directory / f"{name}.parquet") for name in ("tracks", "markets"))
    return Catalog(tracks, neighbours, similarities, markets)
