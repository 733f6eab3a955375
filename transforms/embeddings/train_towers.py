"""Train the two towers on one worker; what flows on is the path of the embeddings."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from models.towers.contract import Sequences, TrackContent, Weights
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.catalog.track_content import ContentKeys, open_content_keys, track_content_as_of
from transforms.embeddings.embeddings import read_tower_weights, write_embeddings
from transforms.embeddings.sequences import concat_sequences
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import Opened

_progress = logging.getLogger("homeshelf.training")
# earlier weights and state, and where each of today's tracks stood among theirs
Continued = tuple[Weights, Weights, np.ndarray]
# (sequences, content, neighbours, similarities, earlier, after each epoch) -> (weights, state, track vectors, inputs)
FitTowers = Callable[
    [Sequences, TrackContent, np.ndarray, np.ndarray, "Continued | None", Callable[[dict[str, float]], None]],
    tuple[Weights, Weights, np.ndarray, np.ndarray],
]


@dataclass(eq=False)
class TrainTowers(beam.PTransform):
    """train_towers() on one worker; applied to SEQUENCES, yields the path of the embeddings.

    earlier: the path of embeddings to continue from, "" for none; a PCollection of it, or the path.
    """

    catalog_path: beam.PCollection
    tracks_path: beam.PCollection
    earlier: Any
    as_of: datetime
    folder: str
    fit: FitTowers

    def expand(self, sequences: beam.PCollection) -> beam.PCollection:
        """One artifact."""
        return sequences.pipeline | BuildArtifact(
            train_towers,
            folder=self.folder,
            sequences=[sequences],
            catalog=Opened(self.catalog_path, open_catalog),
            keys=Opened(self.tracks_path, open_content_keys),
            earlier=self.earlier,
            as_of=self.as_of,
            fit=self.fit,
        )


def train_towers(
    directory: Path,
    *,
    sequences: Sequence[tuple[int, pa.Table]],
    catalog: Catalog,
    keys: ContentKeys,
    earlier: str,
    as_of: datetime,
    fit: FitTowers,
) -> None:
    """Fit and write; where there is no sequence the vectors have no dimension, and nobody is near anything."""
    stretches = concat_sequences(sequences)
    track_ids = catalog.tracks["track_id"]
    epochs: list[dict[str, float]] = []

    def on_epoch(figures: dict[str, float]) -> None:
        epochs.append(figures)
        _progress.info("towers %s", " ".join(f"{name}={value:g}" for name, value in figures.items()))

    if len(stretches):
        content = track_content_as_of(keys, catalog, as_of.date())
        continued = _continued(earlier, track_ids) if earlier else None
        made = fit(stretches, content, catalog.neighbours, catalog.similarities, continued, on_epoch)
    else:
        nothing = np.zeros((len(track_ids), 0), dtype=np.float32)
        made = {}, {}, nothing, nothing
    weights, state, tracks, inputs = made
    about = {"as_of": as_of.isoformat(), "sequences": len(stretches), "is_continued": bool(earlier), "epochs": epochs}
    write_embeddings(
        directory, track_ids=track_ids, tracks=tracks, inputs=inputs, weights=weights, state=state, about=about
    )


def _continued(earlier: str, track_ids: pl.Series) -> Continued | None:
    """What the earlier embeddings say of today's tracks; None where they learned nothing."""
    weights, state, ids = read_tower_weights(earlier)
    if not weights:
        return None
    rows = pl.DataFrame({"track_id": ids}).with_row_index("row").cast({"row": pl.Int64})
    found = track_ids.to_frame("track_id").join(rows, on="track_id", how="left", maintain_order="left")
    return weights, state, found["row"].fill_null(-1).to_numpy()
