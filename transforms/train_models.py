"""Train the ranker on one worker, from the published feature files; what flows on is the artifact's path."""

import functools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl

from models.contract import Examples
from transforms.artifacts import BuildArtifact
from transforms.buckets import Opened
from transforms.catalogs import Catalog, open_catalog
from transforms.features import FEATURES
from transforms.files import File, open_parquet
from transforms.merging import Merge, open_merge
from transforms.rankers import Trial, encode, learn_vocabulary, write_histograms, write_report
from transforms.run_figures import HISTOGRAM, as_mapping, count_values, sum_values

# Of each file; more would not change a histogram that anyone looks at.
ROWS_COUNTED = 200_000
_progress = logging.getLogger("homeshelf.training")


@dataclass(eq=False)
class TrainModels(beam.PTransform):
    """train_models() on one worker; applied to the files of training examples, yields the ranker's path."""

    catalog_path: beam.PCollection
    merge_path: beam.PCollection
    holdout: beam.PCollection
    folder: str
    min_plays: int
    trial: Trial

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        """One artifact."""
        return files.pipeline | BuildArtifact(
            train_models,
            folder=self.folder,
            files=[files],
            holdout_files=[self.holdout],
            catalog=Opened(self.catalog_path, open_catalog),
            merge=Opened(self.merge_path, open_merge),
            min_plays=self.min_plays,
            trial=self.trial,
        )


def train_models(
    directory: Path,
    *,
    files: Sequence[File],
    holdout_files: Sequence[File],
    catalog: Catalog,
    merge: Merge,
    min_plays: int,
    trial: Trial,
) -> None:
    """Train on the one, judge on the other, later examples; write ranker, merge, vocabulary and report.

    `catalog` is that of the training cut: an embedding row for a track that was only heard later would stay untrained.
    """
    vocabulary = learn_vocabulary(catalog, min_plays=min_plays)
    rows = vocabulary.rows_of(catalog)
    training = functools.partial(_examples, sorted(file.path for file in files), rows)
    holdout = functools.partial(_examples, sorted(file.path for file in holdout_files), rows)
    vocabulary.save(directory)
    # features tell of the merge: a ranker cannot be used with another
    merge.save(directory)
    write_histograms(directory, as_mapping(_histogram(sorted(file.path for file in files))))
    report = trial(training, holdout, vocabulary.spec, str(directory), _log_epoch)
    write_report(directory, report)


def _examples(paths: Sequence[str], rows: tuple[np.ndarray, np.ndarray]) -> Iterator[Examples]:
    """Stream the files in order, one chunk each: a file holds whole users, so a group is a user."""
    first = 0
    for path in paths:
        with open_parquet(path) as file:
            frame = pl.DataFrame(pl.from_arrow(file.read()))
        group = frame["user_id"].rank("dense").to_numpy().astype(np.int32) + first
        first = int(group.max(initial=first))
        yield Examples(encode(frame, rows), frame["label"].to_numpy(), group)


def _histogram(paths: Sequence[str]) -> pl.DataFrame:
    """HISTOGRAM of the features of some of the examples in each file."""
    names = [feature.name for feature in FEATURES]
    parts = [HISTOGRAM.frame()]
    for path in paths:
        with open_parquet(path) as file:
            frame = pl.DataFrame(pl.from_arrow(file.read(columns=names)))
        parts.append(count_values(frame[:: 1 + len(frame) // ROWS_COUNTED], names=names))
    return sum_values(pl.concat(parts))


def _log_epoch(figures: dict[str, float]) -> None:
    _progress.info(" ".join(f"{name}={value:g}" for name, value in figures.items()))
