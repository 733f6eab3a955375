"""Train the ranker on one worker, from the published feature files; what flows on is the artifact's path."""

import functools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl

from models.ranker.contract import Examples
from transforms.candidates.blending import Blend, open_blend
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.events.match_impressions import _NAMES as NAMES_OF_EXPOSURES
from transforms.events.match_impressions import encode_impressions
from transforms.features.features import FEATURES
from transforms.features.rewards import LABELS, LISTENED, REWARD_NAMES, disabled_rewards, unlearnable_reasons
from transforms.ranking.checkpoints import CheckpointFolder, training_name
from transforms.ranking.ranker_files import (
    TrainAndEvaluate,
    encode_batch,
    learn_vocabulary,
    write_histograms,
    write_rewards,
    write_training_report,
)
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import Opened
from transforms.tables.files import PublishedFile, open_parquet
from transforms.tables.histograms import HISTOGRAM, count_values, histogram_mapping, sum_histograms

# Of each file; more would not change a histogram that anyone looks at.
_ROWS_COUNTED = 200_000
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
_progress = logging.getLogger("homeshelf.training")


@dataclass(eq=False)
class TrainRanker(beam.PTransform):
    """train_ranker() on one worker; applied to the files of training examples, yields the ranker's path."""

    catalog_path: beam.PCollection
    blend_path: beam.PCollection
    holdout: beam.PCollection
    folder: str
    checkpoints: str
    min_plays: int
    trial: TrainAndEvaluate

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        """One artifact."""
        return files.pipeline | BuildArtifact(
            train_ranker,
            folder=self.folder,
            files=[files],
            holdout_files=[self.holdout],
            catalog=Opened(self.catalog_path, open_catalog),
            blend=Opened(self.blend_path, open_blend),
            checkpoints=self.checkpoints,
            min_plays=self.min_plays,
            trial=self.trial,
        )


def train_ranker(
    directory: Path,
    *,
    files: Sequence[PublishedFile],
    holdout_files: Sequence[PublishedFile],
    catalog: Catalog,
    blend: Blend,
    checkpoints: str,
    min_plays: int,
    trial: TrainAndEvaluate,
) -> None:
    """Train on the one, judge on the other, later examples; write ranker, merge, vocabulary and report.

    An attempt goes on from what one at the same files left in the folder `checkpoints`. `catalog` is that of the
    training cutoff: an embedding row for a track that was only heard later would stay untrained.
    """
    vocabulary = learn_vocabulary(catalog, min_plays=min_plays)
    rows = vocabulary.rows_of(catalog)
    paths = sorted(file.path for file in files)
    why_not = unlearnable_reasons(*_labels(paths), disabled_rewards(catalog))
    # where not even listens can be learned, they are what the baseline stands in for
    heads = tuple(name for name, reason in why_not.items() if not reason or name == LISTENED)
    training = functools.partial(stream_examples, paths, rows, heads)
    holdout = functools.partial(stream_examples, sorted(file.path for file in holdout_files), rows, heads)
    vocabulary.save(directory)
    # features tell of the merge: a ranker cannot be used with another
    blend.save(directory)
    write_rewards(directory)
    write_histograms(directory, histogram_mapping(_histogram(paths)))
    spec = vocabulary.spec(heads)
    of_files = [file.sha256 for file in (*sorted(files), *sorted(holdout_files))]
    kept = CheckpointFolder(checkpoints, training_name([*of_files, str(min_plays), spec.to_json()]))
    report = trial(training, holdout, spec, str(directory), _log_epoch, kept)
    withheld = {name: reason for name, reason in why_not.items() if reason}
    write_training_report(directory, {**report, "disabled_rewards": withheld})
    kept.clear()


def _labels(paths: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """How many examples of the files have a label by reward, and how many of them a true one."""
    settled, positives = dict.fromkeys(REWARD_NAMES, 0), dict.fromkeys(REWARD_NAMES, 0)
    for frame, _ in _parts(paths, LABELS):
        for name, label in zip(REWARD_NAMES, LABELS, strict=True):
            settled[name] += frame[label].count()
            positives[name] += int(frame[label].sum())
    return settled, positives


def stream_examples(
    paths: Sequence[str], rows: tuple[np.ndarray, np.ndarray], heads: Sequence[str]
) -> Iterator[Examples]:
    """Stream the files in order, a row group at a time: rows are in order of users, so a group is a user."""
    labels = [f"label_{name}" for name in heads]
    columns = ("user_id", "track", "artist", "recent", *FEATURE_NAMES, *labels, *NAMES_OF_EXPOSURES)
    before, number = "", 0
    for frame, _ in _parts(paths, columns):
        users = frame["user_id"].cast(pl.String)
        is_next = (users != users.shift(1)).fill_null(users[0] != before)
        group = is_next.cast(pl.Int32).cum_sum().to_numpy() + np.int32(number)
        before, number = users[-1], int(group[-1])
        label = frame.select(pl.col(labels).fill_null(float("nan"))).to_numpy(order="c")
        yield Examples({**encode_batch(frame, rows), **encode_impressions(frame)}, label, group)


def _histogram(paths: Sequence[str]) -> pl.DataFrame:
    """HISTOGRAM of the features of some of the examples in each file."""
    parts = [HISTOGRAM.frame()]
    for frame, of_file in _parts(paths, FEATURE_NAMES):
        parts.append(count_values(frame[:: 1 + of_file // _ROWS_COUNTED], names=FEATURE_NAMES))
    return sum_histograms(pl.concat(parts))


def _parts(paths: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[pl.DataFrame, int]]:
    """Row group by row group of the files, and how many rows its file has; none is empty."""
    for path in paths:
        with open_parquet(path) as file:
            for number in range(file.num_row_groups):
                frame = pl.DataFrame(pl.from_arrow(file.read_row_group(number, columns=list(columns))))
                if len(frame):
                    yield frame, file.metadata.num_rows


def _log_epoch(figures: dict[str, float]) -> None:
    _progress.info(" ".join(f"{name}={value:g}" for name, value in figures.items()))
