"""Counts of which track follows which, for the sequence model: directed, short, in whole numbers, and out of fold."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from models.sequence.contract import NO_TRACK, NUM_FOLDS, SESSION_GAP, PlayWindows, gap_bucket

# Successors listed of the last play, and of the four before it.
SUCCESSORS_LISTED = (50, 20, 20, 20, 20)
# A pair of plays n apart counts PAIR_UNIT / n: whole numbers, so that a fold can be taken out exactly.
PAIR_UNIT = 60


@dataclass(frozen=True)
class SuccessorTable:
    """The most frequent successors of each of N tracks.

    track: int32 [N, K], most frequent first, NO_TRACK where there are fewer. count: int32 [NUM_FOLDS + 1, N, K], counts
    without the listeners of each fold, and last of all listeners, in units of 1 / PAIR_UNIT.
    """

    track: np.ndarray
    count: np.ndarray

    def lists_of(self, last: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the successors of the last plays [P, 5], newest first: tracks and counts [P, sum(SUCCESSORS_LISTED)].

        fold: int [P], the fold that is left out; -1: none is. NO_TRACK has no successor, of count 0.
        """
        tracks, counts = [], []
        for place, k in enumerate(SUCCESSORS_LISTED):
            row = np.maximum(last[:, place], 0)
            is_one = (last[:, place] >= 0)[:, None]
            tracks.append(np.where(is_one, self.track[row, :k], NO_TRACK))
            counts.append(np.where(is_one, self.count[fold, row, :k], 0))
        return np.concatenate(tracks, axis=1), np.concatenate(counts, axis=1)


def count_pairs(windows: Iterable[PlayWindows], num_tracks: int) -> list[csr_matrix]:
    """Count the successors of each fold's listeners: int64 [N, N] each; pairs up to five plays apart in a session."""
    counts = [csr_matrix((num_tracks, num_tracks), dtype=np.int64) for _ in range(NUM_FOLDS)]
    for block in windows:
        for fold, pairs in enumerate(_count_block(block, num_tracks)):
            counts[fold] = counts[fold] + pairs
    return counts


def _count_block(windows: PlayWindows, num_tracks: int) -> list[csr_matrix]:
    """Count the pairs whose later play is predicted: windows overlap, and each play is predicted once."""
    columns = np.arange(windows.track.shape[1])
    begins = np.zeros(windows.track.shape, dtype=bool)
    begins[:, 1:] = gap_bucket(np.diff(windows.seconds, axis=1)) >= SESSION_GAP
    session = begins.cumsum(axis=1)
    is_predicted = (columns >= windows.first[:, None]) & (windows.track >= 0)
    rows, others, weights, folds = [], [], [], []
    for distance in range(1, min(len(SUCCESSORS_LISTED), len(columns) - 1) + 1):
        is_pair = is_predicted[:, distance:] & (windows.track[:, :-distance] >= 0)
        is_pair &= session[:, distance:] == session[:, :-distance]
        window, column = np.nonzero(is_pair)
        rows.append(windows.track[window, column])
        others.append(windows.track[window, column + distance])
        weights.append(np.full(len(window), PAIR_UNIT // distance, dtype=np.int64))
        folds.append(windows.fold[window])
    row, other, weight, fold = (np.concatenate(parts) for parts in (rows, others, weights, folds))
    shape = (num_tracks, num_tracks)
    masks = (fold == number for number in range(NUM_FOLDS))
    return [csr_matrix((weight[mask], (row[mask], other[mask])), shape=shape) for mask in masks]


def list_successors(counts: list[csr_matrix]) -> SuccessorTable:
    """List the most frequent successors of each track, of equal ones those with the lowest code."""
    total = sum(counts[1:], counts[0]).tocsr()
    total.sum_duplicates()
    num_tracks, width = total.shape[0], max(SUCCESSORS_LISTED)
    row = np.repeat(np.arange(num_tracks), np.diff(total.indptr))
    order = np.lexsort((total.indices, -total.data, row))
    place = np.arange(total.nnz) - total.indptr[row]
    chosen = order[place < width]
    at = (row[chosen], place[place < width])
    track = np.full((num_tracks, width), NO_TRACK, dtype=np.int32)
    track[at] = total.indices[chosen]
    count = np.zeros((NUM_FOLDS + 1, num_tracks, width), dtype=np.int32)
    count[NUM_FOLDS][at] = total.data[chosen]
    for fold, own in enumerate(counts):
        of_fold = np.asarray(own[row[chosen], total.indices[chosen]]).ravel() if len(chosen) else 0
        count[fold][at] = total.data[chosen] - of_fold
    return SuccessorTable(track, count)


def of_everyone(table: SuccessorTable) -> SuccessorTable:
    """Return the table without the counts of the folds, which only a training needs."""
    return SuccessorTable(table.track, table.count[-1:])


def directed_vectors(counts: list[csr_matrix], size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Factorise ln(1 + PMI ratio) of directed counts: vectors of the earlier and of the later track, [N, size] each.

    Randomised subspace iteration (Halko et al., SIAM Review 2011); the product of the two approximates the matrix.
    """
    total = sum(counts[1:], counts[0]).tocoo()
    sums = [np.maximum(np.asarray(total.sum(axis=axis)).ravel(), 1.0) for axis in (1, 0)]
    value = np.log1p(total.data * total.data.sum() / (sums[0][total.row] * sums[1][total.col]))
    matrix = csr_matrix((value.astype(np.float32), (total.row, total.col)), shape=total.shape)
    rng = np.random.default_rng(seed)
    basis = rng.standard_normal((total.shape[1], min(size + 10, *total.shape)), dtype=np.float32)
    for _ in range(4):
        basis, _ = np.linalg.qr(matrix.T @ (matrix @ basis))
    left, values, right = np.linalg.svd(matrix @ basis, full_matrices=False)
    root = np.sqrt(values[:size])
    found = (left[:, :size] * root, basis @ right.T[:, :size] * root)
    return tuple(np.pad(one, ((0, 0), (0, size - one.shape[1]))).astype(np.float32) for one in found)  # type: ignore[return-value]
