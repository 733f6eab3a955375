"""What the baselines that learn from others share: users as sparse rows over tracks."""

import numpy as np
from scipy.sparse import csr_matrix

from models.baselines.interactions import Arrays, Interactions


def user_rows(plays: Interactions, half_life_days: float) -> csr_matrix:
    """Sum each user's plays by track, each halved per half-life of age (0: never halved): float32 [U, T]."""
    weight = np.ones(len(plays.track)) if half_life_days == 0 else 2.0 ** (-plays.days / half_life_days)
    shape = (plays.num_users, plays.num_tracks)
    # what is so old that it counts for nothing would be a stored zero
    rows = csr_matrix((np.maximum(weight, 1e-6), (plays.user, plays.track)), shape=shape)
    rows.sum_duplicates()
    return rows.astype(np.float32)


def as_arrays(matrix: csr_matrix) -> dict[str, np.ndarray]:
    """Take a matrix apart, as .npz can hold it."""
    return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}


def from_arrays(arrays: Arrays, num_tracks: int) -> csr_matrix:
    """Put a matrix [T, T] together again."""
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    return csr_matrix(parts, shape=(num_tracks, num_tracks))


def sum_similarities(rows: csr_matrix, similarity: csr_matrix) -> np.ndarray:
    """Sum what each of a user's tracks says of all tracks: float32 [U, T], -inf where none says anything."""
    scores = (rows @ similarity).toarray().astype(np.float32)
    return np.where(scores > 0, scores, -np.inf).astype(np.float32)
