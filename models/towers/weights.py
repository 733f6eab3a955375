"""The weights of the two towers: their names, their initial values, and their values after a warm start."""

import numpy as np
from scipy.sparse import csr_matrix

from models.towers.contract import DAY_PARTS, NUM_GENRES, TowerOptions, TrackContent, WarmStart
from models.towers.user_tower import NUM_POOLS

_HIDDEN_UNITS = 128
# Initial weights of the pools: recency half-lives 2, 10, infinity, and most played.
_POOL_SHARES = (0.3, 0.3, 0.2, 0.2)
_RIDGE = 10.0
# Number of tracks of an artist at which the mean of the residuals is halved.
_ARTIST_SHRINKAGE = 3.0
TOWER_TRACKS_PER_BLOCK = 1 << 14
# Embedding tables, whose rows each have a step size of their own: after a warm start they move no faster than before.
TABLE_NAMES = ("id", "artist", "genre", "word")
DENSE_NAMES = (
    "vector",
    "facts",
    "track_in",
    "track_bias",
    "track_out",
    "user_linear",
    "user_in",
    "user_bias",
    "user_out",
)


def initial_weights(content: TrackContent, spectral: np.ndarray, options: TowerOptions) -> dict[str, np.ndarray]:
    """Split the spectral vectors [N, D] into the part that content explains and the track's own part.

    spectral = ridge regression on vector, facts and genres + shrunk mean of the artist + id. So a track without plays
    starts near the tracks that share its content.
    """
    size, rng = options.size, np.random.default_rng(options.seed)
    is_known = (content.num_plays > 0) & spectral.any(axis=1)
    blocks = _blocks(np.flatnonzero(is_known))
    num_vector, num_facts = content.vector.shape[1], content.facts.shape[1]
    fitted = _fit_ridge(content, spectral, blocks)
    own = np.zeros(spectral.shape, dtype=np.float32)
    for tracks in blocks:
        dense, genres = _design(content, tracks)
        own[tracks] = spectral[tracks] - dense @ fitted[: dense.shape[1]] - genres @ fitted[dense.shape[1] :]
    artist = _artist_means(content, own, is_known)
    for tracks in blocks:
        own[tracks] -= artist[content.artist[tracks]]
    weights = {
        "id": own,
        "artist": artist,
        "genre": fitted[num_vector + num_facts :],
        "word": np.zeros((content.num_rows["word"], size)),
        "vector": fitted[:num_vector],
        "facts": fitted[num_vector : num_vector + num_facts],
        **_initial_layers(size, rng),
    }
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in weights.items()}


def warm_weights(warm_start: WarmStart, fresh: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Take the earlier weights where their shapes fit, else the fresh ones.

    A new track starts without an embedding of its own; hashed tables are folded or repeated to their new size. The
    embeddings are written over the fresh ones, which may have millions of rows.
    """
    earlier, row = warm_start.weights, warm_start.row
    dense = {name: fresh[name] if earlier[name].shape != fresh[name].shape else earlier[name] for name in DENSE_NAMES}
    if len(earlier["id"]):
        np.take(earlier["id"], row, axis=0, out=fresh["id"], mode="clip")
    fresh["id"][row < 0] = 0
    tables = {name: earlier[name][np.arange(len(fresh[name])) % len(earlier[name])] for name in TABLE_NAMES[1:]}
    return {**dense, "id": fresh["id"], **tables}


def _initial_layers(size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return dense layers that leave tracks as they are and sum a user's pools by _POOL_SHARES."""
    width = NUM_POOLS * size + DAY_PARTS
    linear = np.concatenate([share * np.eye(size) for share in _POOL_SHARES] + [np.zeros((DAY_PARTS, size))])
    return {
        "track_in": rng.standard_normal((size, _HIDDEN_UNITS)) / np.sqrt(size),
        "track_bias": np.zeros(_HIDDEN_UNITS),
        "track_out": np.zeros((_HIDDEN_UNITS, size)),
        "user_linear": linear,
        "user_in": rng.standard_normal((width, _HIDDEN_UNITS)) / np.sqrt(width),
        "user_bias": np.zeros(_HIDDEN_UNITS),
        "user_out": np.zeros((_HIDDEN_UNITS, size)),
    }


def _blocks(tracks: np.ndarray) -> list[np.ndarray]:
    """Divide track codes into blocks, to limit the memory of intermediate results."""
    return [tracks[start : start + TOWER_TRACKS_PER_BLOCK] for start in range(0, len(tracks), TOWER_TRACKS_PER_BLOCK)]


def _design(content: TrackContent, tracks: np.ndarray) -> tuple[np.ndarray, csr_matrix]:
    """Return vector and facts of track codes [B]: float32 [B, V + F], and shares of their genres: sparse [B, G]."""
    genres = content.genres[tracks]
    rows = np.repeat(np.arange(len(tracks)), NUM_GENRES)
    share = (genres.ravel() > 0) / np.float32(NUM_GENRES)
    by_share = csr_matrix((share, (rows, genres.ravel())), shape=(len(tracks), content.num_rows["genre"]))
    return np.concatenate([content.vector[tracks], content.facts[tracks]], axis=1), by_share


def _fit_ridge(content: TrackContent, spectral: np.ndarray, blocks: list[np.ndarray]) -> np.ndarray:
    """Fit the coefficients of the design to the spectral vectors of the tracks in blocks: float32 [V + F + G, D]."""
    num_dense = content.vector.shape[1] + content.facts.shape[1]
    gram = _RIDGE * np.eye(num_dense + content.num_rows["genre"])
    products = np.zeros((len(gram), spectral.shape[1]))
    for tracks in blocks:
        dense, genres = _design(content, tracks)
        across = genres.T @ dense
        gram[:num_dense, :num_dense] += dense.T @ dense
        gram[num_dense:, :num_dense] += across
        gram[:num_dense, num_dense:] += across.T
        gram[num_dense:, num_dense:] += (genres.T @ genres).toarray()
        products[:num_dense] += dense.T @ spectral[tracks]
        products[num_dense:] += genres.T @ spectral[tracks]
    return np.linalg.solve(gram, products).astype(np.float32)


def _artist_means(content: TrackContent, residual: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Compute shrunk means of the residuals [N, D] by artist row; the row of the unknown artist stays 0."""
    shape = (content.num_rows["artist"], len(content))
    belongs = csr_matrix((is_known.astype(np.float32), (content.artist, np.arange(len(content)))), shape=shape)
    count = np.asarray(belongs.sum(axis=1))
    means = (belongs @ residual) / (count + _ARTIST_SHRINKAGE)
    means[0] = 0
    return means.astype(np.float32)
