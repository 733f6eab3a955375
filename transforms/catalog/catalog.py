"""The Catalog artifact: what is known of every track at one moment; written by one worker, opened once per process."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from transforms.catalog.markets import POPULARITY_UNIT
from transforms.tables.artifacts import local_copy
from transforms.tables.columns import to_table
from transforms.tables.schemas import CATALOG


@dataclass(frozen=True)
class Catalog:
    """All tracks, by code.

    tracks: one row per track, columns of CATALOG; row i is the track with code i (track ids are sorted).
    neighbours: int32 [N, K], codes of the tracks most often heard near a track, best first, -1 where there are fewer.
    similarities: float32 [N, K], how near they are, 0 where there are fewer.
    markets: columns of MARKET_COUNTS, the most popular tracks of each market (plays), best first.
    """

    tracks: pl.DataFrame
    neighbours: np.ndarray
    similarities: np.ndarray
    markets: pl.DataFrame

    def has(self, fact: str) -> bool:
        """Whether any track has a value in the column, or any market (`market`) is known: what an entry may need."""
        return not self.markets.is_empty() if fact == "market" else self.tracks[fact].count() > 0

    @functools.cached_property
    def coded(self) -> pl.DataFrame:
        """`tracks` with the code as a column, `track`."""
        return self.tracks.with_row_index("track").cast({"track": pl.Int32})

    @functools.cached_property
    def by_popularity(self) -> pl.DataFrame:
        """`coded`, the most popular first; ties by code. Tracks that nobody plays any more come last."""
        return self.coded.sort("popularity", "n_plays", "track", descending=[True, True, False])


def write_catalog(
    directory: Path, tracks: pl.DataFrame, neighbours: pl.DataFrame, markets: pl.DataFrame, num_neighbours: int
) -> None:
    """Write CATALOG rows by code, NEIGHBOURS in any order, and MARKET_COUNTS."""
    ordered = neighbours.sort("track", "similarity", "other", descending=[False, True, False])
    row = ordered["track"].to_numpy()
    place = np.arange(len(row)) - np.searchsorted(row, row)
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
    """Open the artifact; the neighbours stay on disk and are mapped into memory.

    Raises:
        FileNotFoundError: there is no artifact at the path.
    """
    directory = local_copy(path)
    neighbours = np.load(directory / "neighbours.npy", mmap_mode="r")
    similarities = np.load(directory / "similarities.npy", mmap_mode="r")
    tracks, markets = (pl.read_parquet(directory / f"{name}.parquet") for name in ("tracks", "markets"))
    return Catalog(tracks, neighbours, similarities, markets)
