"""The artifact of a trained sequence model: weights, successor counts, options and a hash of all of them."""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from models.sequence.contract import PlayWindows, SequenceOptions, SequenceWeights
from models.sequence.successors import SuccessorTable
from transforms.tables.artifacts import local_copy

_REPORT_FILE, _DURATIONS_FILE = "sequence_model.json", "durations.parquet"
# (windows) -> probabilities of all tracks [S, N] and the gates of the experts [S, 3]
ScoreWindows = Callable[[PlayWindows], tuple[np.ndarray, np.ndarray]]


class SequenceFiles(NamedTuple):
    """A trained model. weights: tables hold the whole vectors of tracks. checkpoint: hash of weights and counts."""

    options: SequenceOptions
    weights: SequenceWeights
    successors: SuccessorTable
    duration_ms: pl.Series
    checkpoint: str


def write_sequence_model(
    directory: Path,
    options: SequenceOptions,
    weights: SequenceWeights,
    successors: SuccessorTable,
    duration_ms: pl.Series,
    report: Mapping[str, object],
) -> None:
    """Write the model; successors: of everyone, without folds. duration_ms: of each track."""
    duration_ms.to_frame("duration_ms").write_parquet(directory / _DURATIONS_FILE)
    np.savez(directory / "weights.npz", **dict(weights))  # type: ignore[arg-type]
    np.savez(directory / "successors.npz", track=successors.track, count=successors.count)
    about = {"checkpoint": _hash(weights, successors), "options": asdict(options), **report}
    (directory / _REPORT_FILE).write_text(json.dumps(about, indent=1))


@functools.lru_cache(maxsize=2)
def read_sequence_model(path: str) -> SequenceFiles:
    """Read the artifact (FileNotFoundError: there is none; ValueError: a file was changed since it was written)."""
    directory = local_copy(path)
    about = json.loads((directory / _REPORT_FILE).read_text())
    with np.load(directory / "weights.npz") as weights, np.load(directory / "successors.npz") as counts:
        found, successors = dict(weights), SuccessorTable(counts["track"], counts["count"])
    if _hash(found, successors) != about["checkpoint"]:
        raise ValueError(f"{path} is not the checkpoint {about['checkpoint']} that it says it is")
    durations = pl.read_parquet(directory / _DURATIONS_FILE)["duration_ms"]
    return SequenceFiles(SequenceOptions(**about["options"]), found, successors, durations, about["checkpoint"])


def _hash(weights: SequenceWeights, successors: SuccessorTable) -> str:
    digest = hashlib.sha256()
    for name, value in (*sorted(weights.items()), ("track", successors.track), ("count", successors.count)):
        digest.update(f"{name}{value.shape}{value.dtype}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()[:16]
