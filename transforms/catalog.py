"""The Catalog artifact: what is known of every track at one moment; written by one worker, opened once per process."""

from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Catalog:
    """All tracks, by code.

    tracks: one row per track, columns of CATALOG; row i is the track with code i (track ids are sorted).
    neighbours: int32 [N, K], codes of the tracks most often heard near a track, best first, -1 where there are fewer.
    similarities: float32 [N, K], their shrunk cosines, 0 where there are fewer.
    genres: genre names; position is the code.
    """

    tracks: pl.DataFrame
    neighbours: np.ndarray
    similarities: np.ndarray
    genres: tuple[str, ...]
