"""The best entries of each row of a sparse matrix, by one sort of integers."""

import numpy as np

# An entry is sorted as 10 bits of row, 32 of score, 22 of place in the row.
ROWS_PER_BLOCK = 1 << 10
SCORE_SHIFT, ROW_SHIFT = np.uint64(22), np.uint64(54)


def best_of_rows(
    row: np.ndarray, column: np.ndarray, score: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `most` highest scores of each row, best first; ties by column.

    row: int [P], ascending, below ROWS_PER_BLOCK. column: int [P], ascending within a row, fewer than 2^22 of them.
    score: float [P], above 0.
    """
    starts = np.searchsorted(row, np.arange(ROWS_PER_BLOCK))
    place = (np.arange(len(row)) - starts[row]).astype(np.uint64)
    # a positive float's bits sort as it does
    bits = np.uint64(0xFFFFFFFF) - score.astype(np.float32).view(np.uint32).astype(np.uint64)
    keys = np.sort(row.astype(np.uint64) << ROW_SHIFT | bits << SCORE_SHIFT | place)
    ordered = (keys >> ROW_SHIFT).astype(np.int64)
    is_kept = np.arange(len(keys)) - starts[ordered] < most
    ordered, kept = ordered[is_kept], keys[is_kept]
    found = starts[ordered] + (kept & ((np.uint64(1) << SCORE_SHIFT) - np.uint64(1))).astype(np.int64)
    return ordered, column[found], score[found]
