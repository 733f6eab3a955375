"""Train the ranker on one worker, from the published feature files; yields the artifact's path."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import apache_beam as beam
import polars as pl

from models.ranker.entry import TrainingData
from transforms.candidates.blending import Blend, open_blend
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.features.features import FEATURE_NAMES
from transforms.features.rewards import LABELS, LISTENED, REWARD_NAMES, disabled_rewards, unlearnable_reasons
from transforms.ranking.example_stream import row_groups, stream_examples
from transforms.ranking.ranker_files import learn_vocabulary, write_histograms, write_rewards, write_training_report
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import Opened
from transforms.tables.checkpoints import CheckpointFolder, training_name
from transforms.tables.files import PublishedFile
from transforms.tables.histograms import HISTOGRAM, count_values, histogram_mapping, sum_histograms

# (examples, folder to save the ranker in) -> report
TrainAndEvaluate = Callable[[TrainingData, str], Mapping[str, object]]
# Rows of each file in the histograms of features: more would not change them visibly.
_ROWS_COUNTED = 200_000
_progress = logging.getLogger("homeshelf.training")


@dataclass(frozen=True)
class RankerPlan:
    """The way a ranker is trained.

    model: name of the model. train: saves and evaluates it. min_plays: plays that a track needs for an embedding of its
    own. checkpoints: folder of the run in which a training keeps its state.
    """

    model: str
    train: TrainAndEvaluate
    min_plays: int
    checkpoints: str


@dataclass(eq=False)
class TrainRanker(beam.PTransform):
    """train_ranker() on one worker; applied to the files of training examples, yields the ranker's path."""

    catalog_path: beam.PCollection
    blend_path: beam.PCollection
    holdout: beam.PCollection
    folder: str
    plan: RankerPlan

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        """Build one artifact."""
        return files.pipeline | BuildArtifact(
            train_ranker,
            folder=self.folder,
            files=[files],
            holdout_files=[self.holdout],
            catalog=Opened(self.catalog_path, open_catalog),
            blend=Opened(self.blend_path, open_blend),
            plan=self.plan,
        )


def train_ranker(
    directory: Path,
    *,
    files: Sequence[PublishedFile],
    holdout_files: Sequence[PublishedFile],
    catalog: Catalog,
    blend: Blend,
    plan: RankerPlan,
) -> None:
    """Train on `files`, evaluate on the later `holdout_files`; write ranker, blend, vocabulary and report.

    An attempt resumes from the checkpoints of an earlier one on the same files. `catalog` is as of the cutoff of the
    training examples: the embedding of a track that was first played later would stay untrained.
    """
    vocabulary = learn_vocabulary(catalog, min_plays=plan.min_plays)
    rows = vocabulary.rows_of(catalog)
    paths, holdout_paths = (sorted(file.path for file in some) for some in (files, holdout_files))
    reasons = unlearnable_reasons(*_count_labels(paths), disabled_rewards(catalog))
    # the popularity baseline predicts listens even where they cannot be learned
    heads = tuple(name for name, reason in reasons.items() if not reason or name == LISTENED)
    vocabulary.save(directory)
    # the blend's score is a feature: a ranker cannot be used with another blend
    blend.save(directory)
    write_rewards(directory)
    write_histograms(directory, histogram_mapping(_count_features(paths)))
    spec = vocabulary.spec(heads)
    hashes = [file.sha256 for file in (*sorted(files), *sorted(holdout_files))]
    name = training_name([*hashes, str(plan.min_plays), spec.to_json(), plan.model])
    checkpoints = CheckpointFolder(plan.checkpoints, name)
    training, validation = (partial(stream_examples, some, rows, heads) for some in (paths, holdout_paths))
    report = plan.train(TrainingData(training, validation, spec, _log_epoch, checkpoints), str(directory))
    disabled = {reward: reason for reward, reason in reasons.items() if reason}
    write_training_report(directory, {**report, "disabled_rewards": disabled})
    checkpoints.clear()


def _count_labels(paths: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Count, for each reward, the examples with a settled label, and those of them that have the reward."""
    settled, positives = dict.fromkeys(REWARD_NAMES, 0), dict.fromkeys(REWARD_NAMES, 0)
    for frame, _ in row_groups(paths, LABELS):
        for name, label in zip(REWARD_NAMES, LABELS, strict=True):
            settled[name] += frame[label].count()
            positives[name] += int(frame[label].sum())
    return settled, positives


def _count_features(paths: Sequence[str]) -> pl.DataFrame:
    """Return HISTOGRAM of the features, over a sample of the examples in each file."""
    parts = [HISTOGRAM.frame()]
    for frame, rows_of_file in row_groups(paths, FEATURE_NAMES):
        parts.append(count_values(frame[:: 1 + rows_of_file // _ROWS_COUNTED], names=FEATURE_NAMES))
    return sum_histograms(pl.concat(parts))


def _log_epoch(figures: dict[str, float]) -> None:
    _progress.info(" ".join(f"{name}={value:g}" for name, value in figures.items()))
