"""The weights of the two towers: where they start, and how earlier ones are taken over."""

import numpy as np
from scipy.sparse import csr_matrix, hstack

from models.tower_contract import DAY_PARTS, NUM_GENRES, TowerOptions, TrackContent, Weights
from models.user_tower import NUM_POOLS

HIDDEN_UNITS = 128
# What the pools (recency half-lives 2, 10, infinity, most frequent) count at the start.
POOL_SHARES = (0.3, 0.3, 0.2, 0.2)
RIDGE = 10.0
# Tracks of an artist at which the mean of what is not explained otherwise is halved.
ARTIST_SHRINKAGE = 3.0
# Per row, so that a table that is continued moves no faster than it did.
TABLES = ("id", "artist", "genre", "word")
DENSE = ("vector", "facts", "track_in", "track_bias", "track_out", "user_linear", "user_in", "user_bias", "user_out")


def initial_weights(content: TrackContent, spectral: np.ndarray, options: TowerOptions) -> dict[str, np.ndarray]:
    """Split the spectral vectors [N, D] into what content explains and what is the track's own.

    spectral = ridge regression on vector, facts and genres + shrunk mean of the artist + id. So a track of which
    nothing but its content is known starts near those that share it.
    """
    size, rng = options.size, np.random.default_rng(options.seed)
    is_known = (content.num_plays > 0) & np.abs(spectral).any(axis=1)
    num_vector, num_facts = content.vector.shape[1], content.facts.shape[1]
    described = _design(content)
    fitted = _ridge(described[is_known], spectral[is_known])
    residual = np.where(is_known[:, None], spectral - described @ fitted, 0).astype(np.float32)
    artist = _artist_means(content, residual, is_known)
    residual -= np.where(is_known[:, None], artist[content.artist], 0)
    width = NUM_POOLS * size + DAY_PARTS
    linear = np.concatenate([share * np.eye(size) for share in POOL_SHARES] + [np.zeros((DAY_PARTS, size))])
    weights = {
        "id": residual,
        "artist": artist,
        "genre": fitted[num_vector + num_facts :],
        "word": np.zeros((content.num_rows["word"], size)),
        "vector": fitted[:num_vector],
        "facts": fitted[num_vector : num_vector + num_facts],
        "track_in": rng.standard_normal((size, HIDDEN_UNITS)) / np.sqrt(size),
        "track_bias": np.zeros(HIDDEN_UNITS),
        "track_out": np.zeros((HIDDEN_UNITS, size)),
        "user_linear": linear,
        "user_in": rng.standard_normal((width, HIDDEN_UNITS)) / np.sqrt(width),
        "user_bias": np.zeros(HIDDEN_UNITS),
        "user_out": np.zeros((HIDDEN_UNITS, size)),
    }
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in weights.items()}


def continued(earlier: Weights, fresh: Weights, earlier_row: np.ndarray) -> dict[str, np.ndarray]:
    """Take earlier weights over; `earlier_row` int [N] says where each track stood, -1: nowhere.

    A new track starts without an embedding of its own; hashed tables are folded or repeated to their new size.
    """
    taken = {name: fresh[name] if earlier[name].shape != fresh[name].shape else earlier[name] for name in DENSE}
    was_there = (earlier_row >= 0)[:, None]
    own = np.where(was_there, earlier["id"][np.maximum(earlier_row, 0)], 0) if len(earlier["id"]) else 0 * fresh["id"]
    tables = {name: earlier[name][np.arange(len(fresh[name])) % len(earlier[name])] for name in TABLES[1:]}
    return {**taken, "id": own.astype(np.float32), **tables}


def _design(content: TrackContent) -> csr_matrix:
    """Vector, facts, and genres by their share: [N, V + F + G]."""
    rows = np.repeat(np.arange(len(content)), NUM_GENRES)
    share = (content.genres.ravel() > 0) / np.float32(NUM_GENRES)
    shape = (len(content), content.num_rows["genre"])
    genres = csr_matrix((share, (rows, content.genres.ravel())), shape=shape)
    return hstack([csr_matrix(content.vector), csr_matrix(content.facts), genres]).tocsr()


def _ridge(described: csr_matrix, wanted: np.ndarray) -> np.ndarray:
    gram = (described.T @ described).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += RIDGE
    return np.linalg.solve(gram, (described.T @ wanted).astype(np.float64)).astype(np.float32)


def _artist_means(content: TrackContent, residual: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Shrunk means by artist row; the row of the unknown artist stays 0."""
    shape = (content.num_rows["artist"], len(content))
    belongs = csr_matrix((is_known.astype(np.float32), (content.artist, np.arange(len(content)))), shape=shape)
    count = np.asarray(belongs.sum(axis=1))
    means = (belongs @ residual) / (count + ARTIST_SHRINKAGE)
    means[0] = 0
    return means.astype(np.float32)
