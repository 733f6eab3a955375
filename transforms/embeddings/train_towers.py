"""Train the two towers on one worker and write the Embeddings artifact."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from models.towers.contract import Sequences, TrackContent, TrainedTowers, WarmStart
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.catalog.track_content import ContentKeys, open_content_keys, track_content_as_of
from transforms.embeddings.embeddings import read_tower_weights, write_embeddings
from transforms.embeddings.sequences import concat_sequences
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import Opened

_progress = logging.getLogger("homeshelf.training")
# (sequences, content, neighbours, similarities, warm start, called after each epoch) -> trained towers
FitTowers = Callable[
    [Sequences, TrackContent, np.ndarray, np.ndarray, WarmStart | None, Callable[[dict[str, float]], None]],
    TrainedTowers,
]


@dataclass(eq=False)
class TrainTowers(beam.PTransform):
    """train_towers() on one worker: SEQUENCES in, the path of the embeddings out.

    warm_start_path: path of the embeddings to start from, or a PCollection of it; "" for none.
    """

    catalog_path: beam.PCollection
    tracks_path: beam.PCollection
    warm_start_path: beam.PCollection | str
    as_of: datetime
    folder: str
    fit: FitTowers

    def expand(self, sequences: beam.PCollection) -> beam.PCollection:
        """Build one artifact."""
        return sequences.pipeline | BuildArtifact(
            train_towers,
            folder=self.folder,
            sequences=[sequences],
            catalog=Opened(self.catalog_path, open_catalog),
            keys=Opened(self.tracks_path, open_content_keys),
            warm_start_path=self.warm_start_path,
            as_of=self.as_of,
            fit=self.fit,
        )


def train_towers(
    directory: Path,
    *,
    sequences: Sequence[tuple[int, pa.Table]],
    catalog: Catalog,
    keys: ContentKeys,
    warm_start_path: str,
    as_of: datetime,
    fit: FitTowers,
) -> None:
    """Fit the towers and write the embeddings; without any sequence the embeddings have no dimension."""
    arrays = concat_sequences(sequences)
    track_ids = catalog.tracks["track_id"]
    epochs: list[dict[str, float]] = []

    def on_epoch(metrics: dict[str, float]) -> None:
        epochs.append(metrics)
        _progress.info("towers %s", " ".join(f"{name}={value:g}" for name, value in metrics.items()))

    if len(arrays):
        num_plays = catalog.tracks["n_plays"].to_numpy()
        content = track_content_as_of(keys, catalog.tracks, num_plays, as_of.date())
        warm_start = _warm_start(warm_start_path, track_ids) if warm_start_path else None
        towers = fit(arrays, content, catalog.neighbours, catalog.similarities, warm_start, on_epoch)
    else:
        empty = np.zeros((len(track_ids), 0), dtype=np.float32)
        towers = TrainedTowers({}, {}, empty, empty)
    report = {
        "as_of": as_of.isoformat(),
        "sequences": len(arrays),
        "is_warm_start": bool(warm_start_path),
        "epochs": epochs,
    }
    write_embeddings(directory, track_ids, towers, report)


def _warm_start(path: str, track_ids: pl.Series) -> WarmStart | None:
    """Read the earlier towers and find today's tracks among theirs; None if they were not trained."""
    weights, state, ids = read_tower_weights(path)
    if not weights:
        return None
    rows = pl.DataFrame({"track_id": ids}).with_row_index("row").cast({"row": pl.Int64})
    found = track_ids.to_frame("track_id").join(rows, on="track_id", how="left", maintain_order="left")
    return WarmStart(weights, state, found["row"].fill_null(-1).to_numpy())
