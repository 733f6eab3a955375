"""Train the sequence model on one worker, from files of windows; yields the artifact's path."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl

from models.sequence.contract import SequenceOptions, SequenceWeights, WindowStream
from models.sequence.sequence_data import SequenceData
from models.sequence.successors import count_pairs, list_successors, of_everyone
from transforms.catalog.track_codes import open_tracks
from transforms.catalog.track_content import ContentKeys, open_content_keys, track_content_as_of
from transforms.sequence_model.play_windows import stream_windows
from transforms.sequence_model.sequence_files import write_sequence_model
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import Opened
from transforms.tables.checkpoints import CheckpointFolder, training_name
from transforms.tables.files import PublishedFile

_progress = logging.getLogger("homeshelf.training")
FitSequenceModel = Callable[[SequenceData, SequenceOptions], SequenceWeights]


@dataclass(frozen=True)
class SequencePlan:
    """The way the sequence model is trained. checkpoints: folder in which a training keeps its state.

    accelerator: Beam's resource hint for the worker; empty: none.
    """

    options: SequenceOptions
    fit: FitSequenceModel
    checkpoints: str
    accelerator: str


@dataclass(eq=False)
class TrainSequenceModel(beam.PTransform):
    """train_sequence_model() on one worker; applied to the files of PLAY_WINDOWS, yields the model's path."""

    tracks_path: beam.PCollection
    as_of: datetime
    folder: str
    plan: SequencePlan

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        """Build one artifact."""
        build = BuildArtifact(
            train_sequence_model,
            folder=self.folder,
            files=[files],
            tracks=Opened(self.tracks_path, open_tracks),
            keys=Opened(self.tracks_path, open_content_keys),
            as_of=self.as_of,
            plan=self.plan,
        )
        if self.plan.accelerator:
            build = build.with_resource_hints(accelerator=self.plan.accelerator)
        return files.pipeline | build


def train_sequence_model(
    directory: Path,
    *,
    files: Sequence[PublishedFile],
    tracks: pl.DataFrame,
    keys: ContentKeys,
    as_of: datetime,
    plan: SequencePlan,
) -> None:
    """Count the successors, train, write the model; resume from the checkpoints of an attempt on the same files."""
    windows = partial(stream_windows, sorted(file.path for file in files))
    pairs, num_plays = count_pairs(windows(), len(tracks)), _count_plays(windows, len(tracks))
    successors = list_successors(pairs)
    content = track_content_as_of(keys, tracks, num_plays, as_of.date())
    checkpoints = CheckpointFolder(
        plan.checkpoints, training_name([str(plan.options), as_of.isoformat(), *sorted(file.sha256 for file in files)])
    )
    epochs: list[dict[str, float]] = []

    def on_epoch(figures: dict[str, float]) -> None:
        epochs.append(figures)
        _progress.info("sequence model %s", " ".join(f"{name}={value:g}" for name, value in figures.items()))

    weights = plan.fit(SequenceData(windows, pairs, successors, content, on_epoch, checkpoints), plan.options)
    report = {"as_of": as_of.isoformat(), "windows": sum(file.rows for file in files), "epochs": epochs}
    write_sequence_model(directory, plan.options, weights, of_everyone(successors), tracks["duration_ms"], report)
    checkpoints.clear()


def _count_plays(windows: WindowStream, num_tracks: int) -> np.ndarray:
    """Count the predicted plays of each track: int64 [N]."""
    counts = np.zeros(num_tracks, dtype=np.int64)
    for block in windows():
        column = np.arange(block.track.shape[1])
        is_predicted = (column >= block.first[:, None]) & (column < block.length[:, None])
        counts += np.bincount(block.track[is_predicted], minlength=num_tracks)
    return counts
