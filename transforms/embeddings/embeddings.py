"""The Embeddings artifact: an embedding of every track, and the user tower that embeds users; written by one worker."""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.towers.contract import Sequences, TrainedTowers, Weights
from models.towers.user_tower import UserTower
from transforms.embeddings.exact_search import Matches, SearchFilter, find_exactly
from transforms.embeddings.index_search import MAX_EXACT_ITEMS, find_by_index, open_index, write_index
from transforms.tables.artifacts import local_copy

_REPORT_FILE = "embeddings.json"
_USER_WEIGHTS = ("user_linear", "user_in", "user_bias", "user_out")


@dataclass(frozen=True)
class Embeddings:
    """Embeddings as of one moment; their length is 1, so that products are cosines.

    tracks: float32 [N, D], by track code; zeros for a track without plays and content. D is 0 without any sequence.
    tower: embeds users. version: hash of the bytes of `tracks`. index: of large catalogues, else None.
    """

    tracks: np.ndarray
    tower: UserTower
    version: str
    index: Any | None

    @property
    def is_trained(self) -> bool:
        """Return whether there is any embedding."""
        return self.tracks.shape[1] > 0

    def embed_users(self, users: Sequences) -> np.ndarray:
        """Compute the users' embeddings: float32 [U, D]; zeros for a user without known plays."""
        return self.tower.embed(users) if self.is_trained else np.zeros((len(users), 0), dtype=np.float32)

    def nearest(self, queries: np.ndarray, k: int, search_filter: SearchFilter) -> Matches:
        """Return the k tracks nearest to each of queries [U, D]."""
        num_allowed = len(self.tracks) - (0 if search_filter.excluded is None else int(search_filter.excluded.sum()))
        if self.index is None or num_allowed <= MAX_EXACT_ITEMS:
            return find_exactly(queries, self.tracks, k, search_filter)
        return find_by_index(self.index, queries, k, search_filter)


def write_embeddings(directory: Path, track_ids: pl.Series, towers: TrainedTowers, report: dict[str, Any]) -> None:
    """Write the embeddings, all that a warm start of a later run needs, and the report of the training."""
    np.save(directory / "tracks.npy", towers.tracks)
    np.save(directory / "inputs.npy", towers.inputs)
    np.savez(directory / "weights.npz", **dict(towers.weights))  # type: ignore[arg-type]
    np.savez(directory / "state.npz", **dict(towers.state))  # type: ignore[arg-type]
    pl.DataFrame({"track_id": track_ids}).write_parquet(directory / "track_ids.parquet")
    version = hashlib.sha256(np.ascontiguousarray(towers.tracks).tobytes()).hexdigest()[:16]
    (directory / _REPORT_FILE).write_text(json.dumps({"version": version, **report}, indent=1))
    write_index(directory, towers.tracks)


@functools.lru_cache(maxsize=4)
def open_embeddings(path: str) -> Embeddings:
    """Open the artifact; the arrays are memory-mapped.

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
    """Read the report of the training, with the version (FileNotFoundError: there are no embeddings at the path)."""
    report: dict[str, Any] = json.loads((local_copy(path) / _REPORT_FILE).read_text())
    return report


def check_embeddings(path: str, size: int) -> None:
    """Check that towers of this size can start from the embeddings of an earlier run.

    Raises:
        FileNotFoundError: there are no embeddings at the path.
        ValueError: the embeddings have another length.
    """
    if not (local_copy(path) / _REPORT_FILE).is_file():
        raise FileNotFoundError(f"no embeddings at {path}")
    weights, _, _ = read_tower_weights(path)
    if weights and weights["id"].shape[1] != size:
        raise ValueError(f"their vectors have length {weights['id'].shape[1]}, not {size}: --tower_size")


def read_tower_weights(path: str) -> tuple[Weights, Weights, pl.Series]:
    """Read the weights, the optimizer's state and the track ids of embeddings."""
    directory = local_copy(path)
    with np.load(directory / "weights.npz") as weights, np.load(directory / "state.npz") as state:
        return dict(weights), dict(state), pl.read_parquet(directory / "track_ids.parquet")["track_id"]
