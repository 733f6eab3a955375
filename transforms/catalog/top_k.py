"""The top k entries of each row of a sparse matrix, by one sort of integers."""

import numpy as np
from scipy.sparse import csr_matrix

from transforms.tables.groups import descending_bits, values_of_bits

# An entry is sorted as 10 bits of row, 32 of score, 22 of its index in the row.
MAX_ROWS_PER_BLOCK = 1 << 10
_SCORE_SHIFT, _ROW_SHIFT = np.uint64(22), np.uint64(54)
# Every n-th entry is in the sample that estimates the scores of the best entries of a row.
_SAMPLE_STEP = 8
_MIN_SCORE = np.nextafter(np.float32(0), np.float32(1))


def top_k_of_rows(
    row: np.ndarray, column: np.ndarray, score: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, column and score of the k highest scores of each row, best first; ties by column.

    row: int [P], ascending, below MAX_ROWS_PER_BLOCK. column: int [P], ascending within a row, fewer than 2^22 of them.
    score: float [P], above 0.
    """
    starts = np.searchsorted(row, np.arange(MAX_ROWS_PER_BLOCK))
    place = (np.arange(len(row)) - starts[row]).astype(np.uint64)
    bits = descending_bits(score.astype(np.float32)).astype(np.uint64)
    keys = np.sort(row.astype(np.uint64) << _ROW_SHIFT | bits << _SCORE_SHIFT | place)
    ordered = (keys >> _ROW_SHIFT).astype(np.int64)
    is_kept = np.arange(len(keys)) - starts[ordered] < k
    ordered, kept = ordered[is_kept], keys[is_kept]
    found = starts[ordered] + (kept & ((np.uint64(1) << _SCORE_SHIFT) - np.uint64(1))).astype(np.int64)
    return ordered, column[found], score[found]


def preselect_top_k(scores: csr_matrix, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, column and score of the k highest entries above 0 of each row and a few others, by row and column.

    Sorting all entries would cost more than reading them. A sample estimates a bound for each row that a few more than
    k entries reach; a row in which fewer than k reach it keeps all its entries.
    scores: float32, each column once in a row.
    """
    num_rows, sizes = scores.shape[0], np.diff(scores.indptr)
    starts = -(-scores.indptr.astype(np.int64) // _SAMPLE_STEP)
    row = np.repeat(np.arange(num_rows, dtype=np.uint64), np.diff(starts))
    bits = descending_bits(scores.data[::_SAMPLE_STEP])
    ordered = np.sort(row << np.uint64(32) | bits.astype(np.uint64))
    # half as many again as the sample should contain, so that few rows fall short
    reached = starts[:-1] + k * 3 // (2 * _SAMPLE_STEP) + 2
    is_bounded = reached < starts[1:]
    bound = np.full(num_rows, _MIN_SCORE)
    bound[is_bounded] = np.maximum(bound[is_bounded], values_of_bits(ordered[reached[is_bounded]].astype(np.uint32)))
    kept = np.flatnonzero(scores.data >= np.repeat(bound, sizes))
    is_short = is_bounded & (np.diff(np.searchsorted(kept, scores.indptr)) < k)
    if is_short.any():
        bound[is_short] = _MIN_SCORE
        kept = np.flatnonzero(scores.data >= np.repeat(bound, sizes))
    bounds = np.searchsorted(kept, scores.indptr)
    few = csr_matrix((scores.data[kept], scores.indices[kept], bounds), shape=scores.shape)
    few.sort_indices()
    return np.repeat(np.arange(num_rows), np.diff(bounds)), few.indices, few.data
