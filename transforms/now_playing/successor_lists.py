"""The artifact of successors: the likeliest next tracks of every track, as arrays."""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.now_playing.successor_tables import MOST_SUCCESSORS
from transforms.tables.artifacts import local_copy
from transforms.tables.groups import rank_in_run


class SuccessorLists(NamedTuple):
    """other: int32 [N, MOST_SUCCESSORS], codes, the likeliest first, -1 after the last. chance: float32, the same."""

    other: np.ndarray
    chance: np.ndarray


def write_successor_lists(directory: Path, rows: pl.DataFrame, num_tracks: int) -> None:
    """Write SUCCESSOR_ROWS as arrays."""
    ordered = rows.sort("track", "chance", "other", descending=[False, True, False])
    row = ordered["track"].to_numpy()
    at = (row, rank_in_run(row))
    other = np.full((num_tracks, MOST_SUCCESSORS), -1, dtype=np.int32)
    chance = np.zeros((num_tracks, MOST_SUCCESSORS), dtype=np.float32)
    other[at], chance[at] = ordered["other"].to_numpy(), ordered["chance"].to_numpy()
    np.save(directory / "other.npy", other)
    np.save(directory / "chance.npy", chance)


@functools.lru_cache(maxsize=2)
def open_successor_lists(path: str) -> SuccessorLists:
    """Open the artifact, memory-mapped (FileNotFoundError: there is none)."""
    directory = local_copy(path)
    return SuccessorLists(*(np.load(directory / f"{name}.npy", mmap_mode="r") for name in ("other", "chance")))
