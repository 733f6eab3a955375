"""Initial track embeddings: a factorisation of the co-listening neighbours, without gradients."""

import numpy as np
from scipy.sparse import csr_matrix

_ITERATIONS = 5
_OVERSAMPLING = 10


def factorize(neighbours: np.ndarray, similarities: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Factorise the neighbour lists [N, K] (-1: none) into float32 [N, size], of mean length 1; zeros where none.

    Eigenvectors of largest magnitude of the symmetric matrix of log(1 + similarity over its row's mean), by randomised
    subspace iteration (Halko et al., SIAM Review 2011), times the root of the eigenvalues.
    """
    matrix = _log_similarities(neighbours, similarities)
    rng = np.random.default_rng(seed)
    width = min(size + _OVERSAMPLING, len(neighbours))
    basis = rng.standard_normal((len(neighbours), width), dtype=np.float32)
    for _ in range(_ITERATIONS):
        basis, _ = np.linalg.qr(matrix @ basis)
    values, rotation = np.linalg.eigh(basis.T @ (matrix @ basis))
    largest = np.argsort(-np.abs(values), kind="stable")[:size]
    has_any = np.diff(matrix.indptr)[:, None] > 0
    vectors = np.where(has_any, (basis @ rotation[:, largest]) * np.sqrt(np.abs(values[largest])), 0)
    length = np.linalg.norm(vectors, axis=1)
    scale = length[length > 0].mean() if (length > 0).any() else 1.0
    full = np.zeros((len(neighbours), size), dtype=np.float32)
    full[:, : len(largest)] = vectors / scale
    return full


def _log_similarities(neighbours: np.ndarray, similarities: np.ndarray) -> csr_matrix:
    """Return the symmetric matrix of log(1 + similarity over its row's mean): float32 [N, N]."""
    is_near = neighbours >= 0
    row = np.nonzero(is_near)[0]
    shape = (len(neighbours), len(neighbours))
    mean = similarities.sum(axis=1) / np.maximum(is_near.sum(axis=1), 1)
    value = np.log1p(similarities[is_near] / np.maximum(mean[row], 1e-12)).astype(np.float32)
    one_way = csr_matrix((value, (row, neighbours[is_near])), shape=shape)
    return ((one_way + one_way.T) / 2).tocsr()
