"""The Embeddings artifact: a vector for every track, and the tower that gives users theirs; written by one worker."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.towers.contract import Sequences, Weights
from models.towers.user_tower import UserTower
from transforms.embeddings.exact_search import (
    MAX_EXACT_ITEMS,
    Matches,
    SearchFilter,
    find_by_index,
    find_exactly,
    open_index,
    write_index,
)
from transforms.tables.artifacts import local_copy

_USER_WEIGHTS = ("user_linear", "user_in", "user_bias", "user_out")
EMBEDDINGS_FILE = "embeddings.json"


@dataclass(frozen=True)
class Embeddings:
    """Vectors by code of the track, as of one moment; of length 1, so that products are cosines.

    tracks: float32 [N, D]; zeros for a track of which nothing is known. D is 0 where nothing could be learned.
    tower: gives users of Sequences their vectors. version: of the vectors, a hash of their bytes.
    index: for large catalogues (see retrieval.py), else None.
    """

    tracks: np.ndarray
    tower: UserTower
    version: str
    index: Any | None

    @property
    def is_trained(self) -> bool:
        """Whether there is any vector."""
        return self.tracks.shape[1] > 0

    def embed_users(self, users: Sequences) -> np.ndarray:
        """The vectors of users, float32 [U, D]; zeros for a user of whom nothing is known."""
        return self.tower.vectors(users) if self.is_trained else np.zeros((len(users), 0), dtype=np.float32)

    def nearest(self, users: np.ndarray, k: int, search_filter: SearchFilter) -> Matches:
        """The k tracks nearest to each user's vector [U, D]."""
        num_allowed = len(self.tracks) - (0 if search_filter.excluded is None else int(search_filter.excluded.sum()))
        if self.index is None or num_allowed <= MAX_EXACT_ITEMS:
            return find_exactly(users, self.tracks, k, search_filter)
        return find_by_index(self.index, users, k, search_filter)


def write_embeddings(
    directory: Path,
    *,
    track_ids: pl.Series,
    tracks: np.ndarray,
    inputs: np.ndarray,
    weights: Weights,
    state: Weights,
    about: Mapping[str, Any],
) -> None:
    """Write vectors, weights and what a later run needs to continue from them."""
    np.save(directory / "tracks.npy", tracks)
    np.save(directory / "inputs.npy", inputs)
    np.savez(directory / "weights.npz", **dict(weights))  # type: ignore[arg-type]
    np.savez(directory / "state.npz", **dict(state))  # type: ignore[arg-type]
    pl.DataFrame({"track_id": track_ids}).write_parquet(directory / "track_ids.parquet")
    version = hashlib.sha256(np.ascontiguousarray(tracks).tobytes()).hexdigest()[:16]
    (directory / EMBEDDINGS_FILE).write_text(json.dumps({"version": version, **about}, indent=1))
    write_index(directory, tracks)


@functools.lru_cache(maxsize=4)
def open_embeddings(path: str) -> Embeddings:
    """Open the artifact; vectors stay on disk and are mapped into memory.

    Raises:
        FileNotFoundError: there is no artifact at the path.
    """
    directory = local_copy(path)
    tracks = np.load(directory / "tracks.npy", mmap_mode="r")
    with np.load(directory / "weights.npz") as weights:
        tower = UserTower(
            np.load(directory / "inputs.npy", mmap_mode="r"),
            {name: weights[name] for name in _USER_WEIGHTS if name in weights},
        )
    return Embeddings(np.asarray(tracks), tower, read_embeddings_report(path)["version"], open_index(directory))


def read_embeddings_report(path: str) -> dict[str, Any]:
    """What training said of itself (FileNotFoundError: there are no embeddings at the path)."""
    about: dict[str, Any] = json.loads((local_copy(path) / EMBEDDINGS_FILE).read_text())
    return about


def check_embeddings(path: str, size: int) -> None:
    """Hold that towers can continue from the embeddings of an earlier run.

    Raises:
        FileNotFoundError: there are none at the path.
        ValueError: their vectors have another length.
    """
    if not (local_copy(path) / EMBEDDINGS_FILE).is_file():
        raise FileNotFoundError(f"no embeddings at {path}")
    weights, _, _ = read_tower_weights(path)
    if weights and weights["id"].shape[1] != size:
        raise ValueError(f"their vectors have length {weights['id'].shape[1]}, not {size}: --tower_size")


def read_tower_weights(path: str) -> tuple[Weights, Weights, pl.Series]:
    """Weights, state and track ids of embeddings to continue from."""
    directory = local_copy(path)
    with np.load(directory / "weights.npz") as weights, np.load(directory / "state.npz") as state:
        return dict(weights), dict(state), pl.read_parquet(directory / "track_ids.parquet")["track_id"]
