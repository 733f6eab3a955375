"""Rankers that need no training, and files of training examples."""

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import polars as pl

from models.ranker.contract import FeatureBatch, FeatureSpec
from models.ranker.entries import POPULARITY, save_ranker
from models.ranker.popularity import PopularityRanker
from transforms.events.match_impressions import add_impressions
from transforms.features.feature_tables import FEATURE_ROWS
from transforms.features.rewards import LABELS
from transforms.tables.columns import to_table
from transforms.tables.files import PublishedFile, parquet_bytes
from transforms.tables.write_tables import sort_table

HEADS = ("listened", "skipped")


class ByTrack:
    """A ranker whose score is made of the embedding rows that it was given."""

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec

    def score(self, batch: FeatureBatch) -> np.ndarray:
        named = batch["track"] + batch["artist"] / 100 + batch["recent"][:, 0] / 10_000
        return np.column_stack([named, named / 10]).astype(np.float32)


def save_any_ranker(spec: FeatureSpec, directory: Path) -> None:
    """Save a ranker of this spec that needs no training."""
    save_ranker(PopularityRanker(spec, "track_popularity", 0.0, 1.0, 0.0, 1.0), POPULARITY.name, str(directory))


def examples_file(path: Path, candidates: pl.DataFrame, label: int) -> PublishedFile:
    """Write examples listened to or not, saved if their code is even, never skipped, with unsettled repeats."""
    cutoff = datetime(2025, 12, 1, tzinfo=timezone.utc)
    known = {"label_listened": pl.lit(label), "label_saved": pl.col("track") % 2 == 0, "label_skipped": pl.lit(0)}
    labels = [known.get(name, pl.lit(None)).cast(pl.Float32).alias(name) for name in LABELS]
    exposed = add_impressions(candidates, None, candidates, cutoff)
    labelled = exposed.with_columns(*labels, cutoff_at=pl.lit(cutoff), track_id=pl.lit("t"))
    content = parquet_bytes(sort_table(to_table(labelled, FEATURE_ROWS), ("user_id", "track")))
    path.write_bytes(content)
    return PublishedFile("features", str(path), len(candidates), len(content), "")
