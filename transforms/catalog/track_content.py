"""Content of tracks, known without any play, as input of the towers: hashed ids and words, vectors, numeric facts."""

from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from models.towers.contract import NUM_GENRES, NUM_WORDS, TrackContent
from transforms.catalog.names import name_key, readable
from transforms.events.ages import whole_days_since
from transforms.tables.artifacts import local_copy
from transforms.tables.groups import rank_in_run
from transforms.tables.hashing import stable_hash

# Rows of a hashed table: the least power of two above this multiple of the distinct ids, within limits.
_ROWS_PER_ID = 4
_MIN_ROWS, _MAX_ROWS = 1 << 10, 1 << 20
_FACT_DAYS, _FACT_MS = 365.0, 200_000.0
_MAX_VECTOR_LENGTH = 8192
_KEYS = ("artist", "genres", "words")

# Of N tracks: 64-bit hashes, 0 where missing; [N], [N, NUM_GENRES], [N, NUM_WORDS]; and vectors float32 [N, V].
ContentKeys = dict[str, np.ndarray]


def content_keys(tracks: pl.DataFrame, metadata: pl.DataFrame) -> ContentKeys:
    """Hash the artist, genres and words of tracks, and collect their vectors.

    tracks: READ_TRACKS, distinct. metadata: TRACK_METADATA of the same rows.
    """
    text = pl.concat_str("title", "artist_name", separator=" ", ignore_nulls=True)
    words = tracks.select(words=text.str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+"))["words"]
    genres = tracks.select(pl.col("genres").list.eval(name_key(readable(pl.element())).drop_nulls()))["genres"]
    return {
        "artist": _hashed(metadata["artist_id"]),
        "genres": _padded(genres, NUM_GENRES),
        "words": _padded(words, NUM_WORDS),
        "vector": _vectors(tracks["vector"]),
    }


def write_content_keys(directory: Path, keys: ContentKeys) -> None:
    """Write one .npy file for each array."""
    for name, values in keys.items():
        np.save(directory / f"{name}.npy", values)


@lru_cache(maxsize=2)
def open_content_keys(path: str) -> ContentKeys:
    """Open the files of write_content_keys(), memory-mapped."""
    return {name: np.load(local_copy(path) / f"{name}.npy", mmap_mode="r") for name in (*_KEYS, "vector")}


def track_content_as_of(keys: ContentKeys, tracks: pl.DataFrame, num_plays: np.ndarray, as_of: date) -> TrackContent:
    """Return the content of all tracks as of a day; tracks: TRACK_METADATA, num_plays: int64 [N]."""
    num_rows = {name: _num_rows(keys[column]) for name, column in zip(("artist", "genre", "word"), _KEYS, strict=True)}
    age = whole_days_since("release_date", as_of).clip(lower_bound=0)
    facts = tracks.select(
        age=(age / _FACT_DAYS).log1p().fill_null(0.0),
        duration=(pl.col("duration_ms") / _FACT_MS).log().clip(-2, 2).fill_null(0.0),
    )
    artist, genres, words = (
        (keys[column] % np.uint64(count)).astype(np.int32)
        for column, count in zip(_KEYS, num_rows.values(), strict=True)
    )
    return TrackContent(
        artist=artist,
        genres=genres,
        words=words,
        vector=np.asarray(keys["vector"]),
        facts=facts.to_numpy().astype(np.float32),
        num_plays=num_plays,
        num_rows=num_rows,
    )


def _num_rows(keys: np.ndarray) -> int:
    wanted = _ROWS_PER_ID * len(np.unique(keys))
    return int(min(_MAX_ROWS, max(_MIN_ROWS, 1 << (wanted - 1).bit_length())))


def _hashed(ids: pl.Series) -> np.ndarray:
    return np.where(ids.is_null().to_numpy(), np.uint64(0), stable_hash(ids, seed=0))


def _padded(lists: pl.Series, length: int) -> np.ndarray:
    """Hash the first `length` entries of each list, padded with 0: uint64 [N, length]."""
    named = lists.rename("entry").to_frame().with_row_index("row")
    flat = named.explode("entry", empty_as_null=True).drop_nulls()
    row = flat["row"].to_numpy()
    place = rank_in_run(row)
    keys = np.zeros((len(lists), length), dtype=np.uint64)
    is_kept = place < length
    keys[row[is_kept], place[is_kept]] = _hashed(flat["entry"])[is_kept]
    return keys


def _vectors(vectors: pl.Series) -> np.ndarray:
    """Return the vectors of the most frequent length V, normalised: float32 [N, V]; zeros for other or missing vectors.

    Vectors longer than _MAX_VECTOR_LENGTH are ignored: they would set the length for all tracks.
    """
    length = vectors.list.len()
    known = length.filter((length > 0) & (length <= _MAX_VECTOR_LENGTH))
    size = int(known.value_counts().sort(["count", known.name], descending=True)[known.name][0]) if len(known) else 0
    full = np.zeros((len(vectors), size), dtype=np.float32)
    if size:
        is_there = ((length == size).fill_null(False)).to_numpy()
        full[is_there] = vectors.filter(is_there).list.to_array(size).to_numpy()
        full[~np.isfinite(full).all(axis=1)] = 0
    norm = np.sqrt(np.square(full.astype(np.float64)).sum(axis=1, keepdims=True))
    return (full / np.maximum(norm, 1e-12)).astype(np.float32)
