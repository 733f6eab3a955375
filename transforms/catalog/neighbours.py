"""Nearest neighbours of each track: summed weights of the listens around its own, by sparse products of blocks."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial, reduce
from operator import add
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view
from scipy.sparse import csr_matrix

from transforms.catalog.co_listening import CO_LISTEN_WINDOW
from transforms.catalog.top_k import MAX_ROWS_PER_BLOCK, preselect_top_k, top_k_of_rows
from transforms.tables.schemas import NEIGHBOURS

# Weight of a pair: distance^-1/4, halved per half-life of the time between. Integers, so that sums are exact.
_DISTANCE_POWER = 0.25
_GAP_HALF_LIFE_HOURS = 2_400
_WEIGHT_UNIT = 1024
# The weights of longer gaps round to 0.
_MAX_GAP_HOURS = 11 * _GAP_HALF_LIFE_HOURS
# Pairs have no direction: in the 30Music data the order of two listens adds nothing.
# w / (n_a^0.5 n_b^0.05): the popularity of the neighbour is damped only slightly.
_OWN_POWER, _OTHER_POWER = 0.5, 0.05
# Bounds the memory of a block, at 16 bytes a pair, to the size of the processor's cache.
LISTENS_PER_BLOCK = 1 << 12


class _Windows(NamedTuple):
    """Listens by user and time, padded by CO_LISTEN_WINDOW at both ends.

    track: int [P]. hour: int64 [P], by _clock().
    """

    track: np.ndarray
    hour: np.ndarray


def find_neighbours(
    listens: pl.DataFrame, *, moment: int, track_counts: pl.DataFrame, num_neighbours: int
) -> pl.DataFrame:
    """Find the `num_neighbours` most similar tracks of each as of a moment: LISTENS of whole tracks -> NEIGHBOURS.

    similarity(a, b) = w_ab / (n_a^0.5 n_b^0.05), w the summed weights, n the plays of a track: between the cosine
    (Sarwar et al., WWW 2001) and the conditional probability (Deshpande and Karypis, TOIS 2004), near the latter.
    """
    known = listens.filter(pl.col("moments") & 2**moment > 0)
    track = known["track"].to_numpy()
    own = known["is_own"].arg_true().to_numpy()
    own = own[np.argsort(track[own], kind="stable")]
    if len(own) == 0:
        return NEIGHBOURS.frame()
    plays = np.ones(1 + max(track.max(), track_counts["track"].max()))
    plays[track_counts["track"].to_numpy()] = track_counts["n_plays"].to_numpy()
    damping = [plays**-_OWN_POWER / _WEIGHT_UNIT, plays**-_OTHER_POWER]
    windows = _Windows(np.pad(track, CO_LISTEN_WINDOW), _clock(known))
    best = partial(_best, windows, damping, num_neighbours)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        blocks = list(threads.map(best, (own[rows] for rows in _blocks(track[own]))))
    columns = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return pl.DataFrame(dict(zip(NEIGHBOURS.names, columns, strict=True)), schema=dict(NEIGHBOURS.frame().schema))


def _blocks(tracks: np.ndarray) -> Iterator[slice]:
    """Yield ranges of listens of whole tracks.

    A range has at most MAX_ROWS_PER_BLOCK tracks, and LISTENS_PER_BLOCK listens unless one track has more.
    tracks: the track of each listen, ascending.
    """
    ends = np.append(np.flatnonzero(np.diff(tracks)) + 1, len(tracks))
    starts = np.append(0, ends[:-1])
    first = 0
    while first < len(starts):
        fitting = int(np.searchsorted(ends, starts[first] + LISTENS_PER_BLOCK, side="right"))
        last = min(max(fitting, first + 1), first + MAX_ROWS_PER_BLOCK)
        yield slice(int(starts[first]), int(ends[last - 1]))
        first = last


def _best(windows: _Windows, damping: list[np.ndarray], most: int, own: np.ndarray) -> tuple[np.ndarray, ...]:
    """Compute the columns of NEIGHBOURS for the tracks of some listens; own: the indexes of the listens, by track."""
    present, row = np.unique(windows.track[own + CO_LISTEN_WINDOW], return_inverse=True)
    shape = (len(present), len(damping[0]))
    # a very popular track is summed in parts
    pieces = [slice(start, start + LISTENS_PER_BLOCK) for start in range(0, len(own), LISTENS_PER_BLOCK)]
    sums = reduce(add, (_sums(windows, own[piece], row[piece], shape) for piece in pieces))
    # single precision rounds equal sums and counts equally in every block
    damped = sums.data * np.repeat(damping[0][present], np.diff(sums.indptr)) * damping[1][sums.indices]
    similar = csr_matrix((damped.astype(np.float32), sums.indices, sums.indptr), shape=shape)
    row, other, similarity = top_k_of_rows(*preselect_top_k(similar, most), most)
    return present[row], other, similarity


def _sums(windows: _Windows, own: np.ndarray, row: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    """Sum the weights of all pairs of some listens: sparse [tracks of the block, all tracks].

    row: the index of each listen's track in the block.
    """
    other, weight = _pairs(windows, own)
    num_listens, width = other.shape
    bounds = np.arange(0, num_listens * width + 1, width)
    near = csr_matrix((weight.ravel(), other.ravel(), bounds), shape=(num_listens, shape[1]))
    ones = np.ones(num_listens), (row, np.arange(num_listens))
    return csr_matrix(ones, shape=(shape[0], num_listens)) @ near


def _pairs(windows: _Windows, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the tracks around some listens, and their weights: [listens, 2 CO_LISTEN_WINDOW + 1]."""
    other, gap = (sliding_window_view(column, 2 * CO_LISTEN_WINDOW + 1)[own] for column in windows)
    gap -= gap[:, CO_LISTEN_WINDOW, None].copy()
    np.minimum(np.abs(gap, out=gap), _MAX_GAP_HOURS, out=gap)
    gap += np.arange(2 * CO_LISTEN_WINDOW + 1) * (_MAX_GAP_HOURS + 1)
    return other, _WEIGHTS.take(gap)


def _clock(listens: pl.DataFrame) -> np.ndarray:
    """Return the hours of listens, shifted by user so that pairs of different users have weight 0; padded: int64."""
    user, hour = listens["user"].to_numpy(), listens["hour"].to_numpy()
    earliest, apart = int(hour.min()), int(hour.max()) - int(hour.min()) + _MAX_GAP_HOURS
    clock = np.zeros(len(hour) + 2 * CO_LISTEN_WINDOW, dtype=np.int64)
    inner = clock[CO_LISTEN_WINDOW:-CO_LISTEN_WINDOW]
    np.cumsum(user[1:] != user[:-1], out=inner[1:])
    inner *= apart
    inner += hour
    inner += apart - earliest
    return clock


def _weights() -> np.ndarray:
    """Tabulate weights by index in the window and by gap in hours, in units of 1 / _WEIGHT_UNIT."""
    distance = np.abs(np.arange(-CO_LISTEN_WINDOW, CO_LISTEN_WINDOW + 1), dtype=np.float64)[:, None]
    near = np.where(distance, np.maximum(distance, 1) ** -_DISTANCE_POWER, 0)
    return np.rint(_WEIGHT_UNIT * near * 2.0 ** -(np.arange(_MAX_GAP_HOURS + 1) / _GAP_HALF_LIFE_HOURS)).ravel()


_WEIGHTS = _weights()
