"""The best entries of rows, against sorting every row."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from transforms.catalog.top_k import preselect_top_k, top_k_of_rows

NUM_ROWS, NUM_COLUMNS = 50, 400


def drawn(seed: int, kinds: int) -> csr_matrix:
    """Rows of 0 to 400 entries in no order of columns; few kinds of scores make ties, some of them 0."""
    rng = np.random.default_rng(seed)
    sizes = np.where(rng.random(NUM_ROWS) < 0.3, rng.integers(0, 6, NUM_ROWS), rng.integers(0, NUM_COLUMNS, NUM_ROWS))
    columns = np.concatenate([rng.permutation(NUM_COLUMNS)[:size] for size in sizes])
    scores = (rng.integers(0, kinds, len(columns)) / kinds).astype(np.float32)
    return csr_matrix((scores, columns, np.append(0, np.cumsum(sizes))), shape=(NUM_ROWS, NUM_COLUMNS))


@pytest.mark.parametrize("most", [1, 5, 60, 1000])
@pytest.mark.parametrize("kinds", [3, 10**6])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_top_k_equals_sorting_every_row(seed: int, kinds: int, most: int) -> None:
    scores = drawn(seed, kinds)
    row, column, score = top_k_of_rows(*preselect_top_k(scores, most), most)
    for place in range(NUM_ROWS):
        of_row = slice(scores.indptr[place], scores.indptr[place + 1])
        entries = sorted(zip(-scores.data[of_row], scores.indices[of_row], strict=True))
        expected = [(number, -negative) for negative, number in entries if negative < 0][:most]
        assert list(zip(column[row == place], score[row == place], strict=True)) == expected


def test_a_row_with_too_high_a_bound_keeps_all_entries() -> None:
    # the sampled places alone score high: fewer than `most` reach what they say
    scores = np.where(np.arange(NUM_COLUMNS) % 8 == 0, 1.0, np.linspace(0.1, 0.5, NUM_COLUMNS)).astype(np.float32)
    matrix = csr_matrix((scores, np.arange(NUM_COLUMNS), [0, NUM_COLUMNS]), shape=(1, NUM_COLUMNS))
    _, column, _ = top_k_of_rows(*preselect_top_k(matrix, 100), 100)
    assert sorted(column) == sorted(np.argsort(-scores, kind="stable")[:100])


def test_most_entries_are_left_out() -> None:
    scores = csr_matrix(np.random.default_rng(1).random((20, 4000), dtype=np.float32))
    row, _, _ = preselect_top_k(scores, 100)
    assert 100 * 20 <= len(row) < 220 * 20


def test_an_empty_matrix() -> None:
    row, column, score = preselect_top_k(csr_matrix((3, 5), dtype=np.float32), 4)
    assert len(row) == len(column) == len(score) == 0
