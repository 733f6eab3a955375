"""Users as sparse rows over tracks, and sparse matrices as arrays."""

import numpy as np
from scipy.sparse import csr_matrix

from models.baselines.interactions import Arrays, Interactions


def user_rows(plays: Interactions, half_life_days: float) -> csr_matrix:
    """Sum each user's plays by track, each halved per half-life of age (0: never halved): float32 [U, T]."""
    weight = np.ones(len(plays.track)) if half_life_days == 0 else 2.0 ** (-plays.days / half_life_days)
    shape = (plays.num_users, plays.num_tracks)
    # very old plays would be stored zeros
    rows = csr_matrix((np.maximum(weight, 1e-6), (plays.user, plays.track)), shape=shape)
    rows.sum_duplicates()
    return rows.astype(np.float32)


def as_arrays(matrix: csr_matrix) -> dict[str, np.ndarray]:
    """Return the arrays of a matrix, for a .npz file."""
    return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}


def from_arrays(arrays: Arrays, num_columns: int) -> csr_matrix:
    """Return the matrix of such arrays."""
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    return csr_matrix(parts, shape=(len(arrays["indptr"]) - 1, num_columns))


def sum_similarities(rows: csr_matrix, similarity: csr_matrix) -> np.ndarray:
    """Sum the similarities of all tracks to each user's tracks: float32 [U, T], -inf where the sum is 0."""
    scores = (rows @ similarity).toarray().astype(np.float32)
    return np.where(scores > 0, scores, -np.inf).astype(np.float32)
