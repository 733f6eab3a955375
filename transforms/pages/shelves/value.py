"""The value of a shelf, by which shelves compete for a position and which is published as the score of a shelf."""

import numpy as np

from models.metrics import dcg_discount


def rank_discount(num_ranks: int, shelf_size: int) -> np.ndarray:
    """Return the weight of each rank, float64 [num_ranks]: 1 / log2(rank + 2), and 0 from rank `shelf_size` on.

    A shelf that shows more tracks than others does not win by its length.
    """
    ranks = np.arange(num_ranks)
    return np.where(ranks < shelf_size, dcg_discount(ranks), 0.0)


def shelf_value(
    score: np.ndarray, rank: np.ndarray, shelf: np.ndarray, *, num_shelves: int, discount: np.ndarray
) -> np.ndarray:
    """Return the value of each shelf, float64 [num_shelves]: the sum of its tracks' scores, discounted by rank.

    score: float64 [N], of tracks; rank, shelf: int [N], their ranks and the numbers of their shelves. discount: see
    rank_discount(). The discount is that of DCG (Jarvelin & Kekalainen, TOIS 2002).
    """
    # added in the order of the tracks: a sum of floats that does not depend on other shelves
    return np.bincount(shelf, score * discount[rank], minlength=num_shelves)
