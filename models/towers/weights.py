"""The weights of the two towers: where they start, and how earlier ones are taken over."""

import numpy as np
from scipy.sparse import csr_matrix

from models.towers.contract import DAY_PARTS, NUM_GENRES, TowerOptions, TrackContent, Weights
from models.towers.user_tower import NUM_POOLS

_HIDDEN_UNITS = 128
# What the pools (recency half-lives 2, 10, infinity, most frequent) count at the start.
_POOL_SHARES = (0.3, 0.3, 0.2, 0.2)
_RIDGE = 10.0
# Tracks of an artist at which the mean of what is not explained otherwise is halved.
_ARTIST_SHRINKAGE = 3.0
TOWER_TRACKS_PER_BLOCK = 1 << 14
# Per row, so that a table that is continued moves no faster than it did.
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
    """Split the spectral vectors [N, D] into what content explains and what is the track's own.

    spectral = ridge regression on vector, facts and genres + shrunk mean of the artist + id. So a track of which
    nothing but its content is known starts near those that share it.
    """
    size, rng = options.size, np.random.default_rng(options.seed)
    is_known = (content.num_plays > 0) & spectral.any(axis=1)
    blocks = _blocks(np.flatnonzero(is_known))
    num_vector, num_facts = content.vector.shape[1], content.facts.shape[1]
    fitted = _ridge(content, spectral, blocks)
    own = np.zeros(spectral.shape, dtype=np.float32)
    for tracks in blocks:
        dense, genres = _design(content, tracks)
        own[tracks] = spectral[tracks] - dense @ fitted[: dense.shape[1]] - genres @ fitted[dense.shape[1] :]
    artist = _artist_means(content, own, is_known)
    for tracks in blocks:
        own[tracks] -= artist[content.artist[tracks]]
    width = NUM_POOLS * size + DAY_PARTS
    linear = np.concatenate([share * np.eye(size) for share in _POOL_SHARES] + [np.zeros((DAY_PARTS, size))])
    weights = {
        "id": own,
        "artist": artist,
        "genre": fitted[num_vector + num_facts :],
        "word": np.zeros((content.num_rows["word"], size)),
        "vector": fitted[:num_vector],
        "facts": fitted[num_vector : num_vector + num_facts],
        "track_in": rng.standard_normal((size, _HIDDEN_UNITS)) / np.sqrt(size),
        "track_bias": np.zeros(_HIDDEN_UNITS),
        "track_out": np.zeros((_HIDDEN_UNITS, size)),
        "user_linear": linear,
        "user_in": rng.standard_normal((width, _HIDDEN_UNITS)) / np.sqrt(width),
        "user_bias": np.zeros(_HIDDEN_UNITS),
        "user_out": np.zeros((_HIDDEN_UNITS, size)),
    }
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in weights.items()}


def warm_started(earlier: Weights, fresh: Weights, earlier_row: np.ndarray) -> dict[str, np.ndarray]:
    """Take earlier weights over; `earlier_row` int [N] says where each track stood, -1: nowhere.

    A new track starts without an embedding of its own; hashed tables are folded or repeated to their new size. The
    embeddings are written over the fresh ones: there may be millions.
    """
    taken = {name: fresh[name] if earlier[name].shape != fresh[name].shape else earlier[name] for name in DENSE_NAMES}
    if len(earlier["id"]):
        np.take(earlier["id"], earlier_row, axis=0, out=fresh["id"], mode="clip")
    fresh["id"][earlier_row < 0] = 0
    tables = {name: earlier[name][np.arange(len(fresh[name])) % len(earlier[name])] for name in TABLE_NAMES[1:]}
    return {**taken, "id": fresh["id"], **tables}


def _blocks(tracks: np.ndarray) -> list[np.ndarray]:
    """Cut codes into pieces, so that what is computed of many tracks needs the memory of few."""
    return [tracks[start : start + TOWER_TRACKS_PER_BLOCK] for start in range(0, len(tracks), TOWER_TRACKS_PER_BLOCK)]


def _design(content: TrackContent, tracks: np.ndarray) -> tuple[np.ndarray, csr_matrix]:
    """Vector and facts of track codes [B], float32 [B, V + F], and genres by their share, [B, G]."""
    genres = content.genres[tracks]
    rows = np.repeat(np.arange(len(tracks)), NUM_GENRES)
    share = (genres.ravel() > 0) / np.float32(NUM_GENRES)
    by_share = csr_matrix((share, (rows, genres.ravel())), shape=(len(tracks), content.num_rows["genre"]))
    return np.concatenate([content.vector[tracks], content.facts[tracks]], axis=1), by_share


def _ridge(content: TrackContent, spectral: np.ndarray, blocks: list[np.ndarray]) -> np.ndarray:
    """Coefficients float32 [V + F + G, D] of the design of the tracks in blocks."""
    num_dense = content.vector.shape[1] + content.facts.shape[1]
    gram = _RIDGE * np.eye(num_dense + content.num_rows["genre"])
    moment = np.zeros((len(gram), spectral.shape[1]))
    for tracks in blocks:
        dense, genres = _design(content, tracks)
        across = genres.T @ dense
        gram[:num_dense, :num_dense] += dense.T @ dense
        gram[num_dense:, :num_dense] += across
        gram[:num_dense, num_dense:] += across.T
        gram[num_dense:, num_dense:] += (genres.T @ genres).toarray()
        moment[:num_dense] += dense.T @ spectral[tracks]
        moment[num_dense:] += genres.T @ spectral[tracks]
    return np.linalg.solve(gram, moment).astype(np.float32)


def _artist_means(content: TrackContent, residual: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Shrunk means by artist row; the row of the unknown artist stays 0."""
    shape = (content.num_rows["artist"], len(content))
    belongs = csr_matrix((is_known.astype(np.float32), (content.artist, np.arange(len(content)))), shape=shape)
    count = np.asarray(belongs.sum(axis=1))
    means = (belongs @ residual) / (count + _ARTIST_SHRINKAGE)
    means[0] = 0
    return means.astype(np.float32)
