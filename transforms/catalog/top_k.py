"""The best entries of each row of a sparse matrix, by one sort of integers."""

import numpy as np
from scipy.sparse import csr_matrix

# An entry is sorted as 10 bits of row, 32 of score, 22 of place in the row.
MAX_ROWS_PER_BLOCK = 1 << 10
_SCORE_SHIFT, _ROW_SHIFT = np.uint64(22), np.uint64(54)
# One entry in so many says which score the best ones of a row reach.
_SAMPLE_STEP = 8
_MIN_SCORE = np.nextafter(np.float32(0), np.float32(1))


def top_k_of_rows(
    row: np.ndarray, column: np.ndarray, score: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `most` highest scores of each row, best first; ties by column.

    row: int [P], ascending, below ROWS_PER_BLOCK. column: int [P], ascending within a row, fewer than 2^22 of them.
    score: float [P], above 0.
    """
    starts = np.searchsorted(row, np.arange(MAX_ROWS_PER_BLOCK))
    place = (np.arange(len(row)) - starts[row]).astype(np.uint64)
    keys = np.sort(row.astype(np.uint64) << _ROW_SHIFT | _falling(score) << _SCORE_SHIFT | place)
    ordered = (keys >> _ROW_SHIFT).astype(np.int64)
    is_kept = np.arange(len(keys)) - starts[ordered] < most
    ordered, kept = ordered[is_kept], keys[is_kept]
    found = starts[ordered] + (kept & ((np.uint64(1) << _SCORE_SHIFT) - np.uint64(1))).astype(np.int64)
    return ordered, column[found], score[found]


def preselect_top_k(scores: csr_matrix, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and scores, by row and column, of entries above 0: the `most` highest of each row, and few others.

    Sorting a row's entries by column and score costs more than reading them. A sample says which score its best ones
    reach; a row in which fewer than `most` reach it keeps all of its entries.
    scores: float32, no column twice in a row.
    """
    num_rows, sizes = scores.shape[0], np.diff(scores.indptr)
    starts = -(-scores.indptr.astype(np.int64) // _SAMPLE_STEP)
    row = np.repeat(np.arange(num_rows, dtype=np.uint64), np.diff(starts))
    ordered = np.sort(row << np.uint64(32) | _falling(scores.data[::_SAMPLE_STEP]))
    # half as many again as the sample should hold of them, so that few rows fall short
    reached = starts[:-1] + most * 3 // (2 * _SAMPLE_STEP) + 2
    is_bounded = reached < starts[1:]
    bound = np.full(num_rows, _MIN_SCORE)
    bound[is_bounded] = np.maximum(bound[is_bounded], _rising(ordered[reached[is_bounded]]))
    kept = np.flatnonzero(scores.data >= np.repeat(bound, sizes))
    is_short = is_bounded & (np.diff(np.searchsorted(kept, scores.indptr)) < most)
    if is_short.any():
        bound[is_short] = _MIN_SCORE
        kept = np.flatnonzero(scores.data >= np.repeat(bound, sizes))
    bounds = np.searchsorted(kept, scores.indptr)
    few = csr_matrix((scores.data[kept], scores.indices[kept], bounds), shape=scores.shape)
    few.sort_indices()
    return np.repeat(np.arange(num_rows), np.diff(bounds)), few.indices, few.data


def _falling(score: np.ndarray) -> np.ndarray:
    """Integers that sort from the highest score to the lowest: a positive float's bits sort as it does."""
    return np.uint64(0xFFFFFFFF) - score.astype(np.float32).view(np.uint32).astype(np.uint64)


def _rising(keys: np.ndarray) -> np.ndarray:
    """The scores that stand in the lower half of sorted keys."""
    return (np.uint64(0xFFFFFFFF) - (keys & np.uint64(0xFFFFFFFF))).astype(np.uint32).view(np.float32)
