"""Embeddings that a run takes as they are: it trains no towers, which takes most of the time of a run on few users."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.towers.contract import TrainedTowers
from tests.worlds import AS_OF, catalog_of, random_plays, spectral_towers, tracks_of
from transforms.catalog.collect_tracks import distinct_tracks
from transforms.catalog.track_codes import READ_TRACKS
from transforms.catalog.track_content import content_keys
from transforms.embeddings.sample_sequences import sample_sequences
from transforms.embeddings.sequences import SEQUENCES
from transforms.embeddings.train_towers import train_towers
from transforms.tables.columns import to_table


def untrained_towers(folder: Path) -> list[str]:
    """Write embeddings of some other catalog; return the flags of a run that adds its own tracks to them.

    Its tracks have what their content says, and those without content nothing.
    """
    plays = random_plays(1)
    catalog = catalog_of(plays, tracks_of(40), folder / "catalog")
    tracks = pl.concat([READ_TRACKS.frame(), catalog.tracks.select("track_id", "title")], how="diagonal")
    (folder / "embeddings").mkdir()
    train_towers(
        folder / "embeddings",
        sequences=[(0, to_table(sample_sequences(plays, as_of=AS_OF, share=1.0, seed=1), SEQUENCES))],
        catalog=catalog,
        keys=content_keys(distinct_tracks(tracks), catalog.tracks),
        warm_start_path="",
        as_of=AS_OF,
        fit=_with_step_sizes,
    )
    return [f"--embeddings={folder / 'embeddings'}", "--num_warm_epochs=0"]


def _with_step_sizes(*given: Any) -> TrainedTowers:
    towers = spectral_towers(*given)
    return replace(towers, state={name: np.ones(len(weight)) for name, weight in towers.weights.items()})
