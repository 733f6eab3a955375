"""Train the chances of a skip and of a completion on one worker; yields the artifact's path."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from models.skips.fitted import FittedSkips
from transforms.now_playing.skips.skip_examples import SKIP_EXAMPLES
from transforms.now_playing.skips.skip_features import feature_matrix
from transforms.now_playing.skips.skip_model import OrderModel, SkipModel, write_skip_model
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.columns import to_frame

# (features, skipped, completed, user) -> models
FitSkips = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], FittedSkips]


@dataclass(eq=False)
class TrainSkips(beam.PTransform):
    """train_skips() on one worker: SKIP_EXAMPLES in, the path of the model out."""

    folder: str
    fit: FitSkips

    def expand(self, examples: beam.PCollection) -> beam.PCollection:
        """Build one artifact."""
        return examples.pipeline | BuildArtifact(train_skips, folder=self.folder, examples=[examples], fit=self.fit)


def train_skips(directory: Path, *, examples: Sequence[tuple[int, pa.Table]], fit: FitSkips) -> None:
    """Fit to the examples in an order that does not depend on their buckets, and write the artifact."""
    tables = [SKIP_EXAMPLES.empty(), *(table for _, table in examples)]
    frame = to_frame(pa.concat_tables(tables)).sort("user_key", "number")
    columns = {name: frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in frame.columns[2:]}
    user = frame["user_key"].to_numpy().view(np.uint64)
    found = fit(feature_matrix(columns), columns["is_skip"], columns["is_complete"], user)
    order = OrderModel(found.mean, found.weights, found.intercept)
    write_skip_model(directory, SkipModel(found.trees, found.rates, order, found.report))
