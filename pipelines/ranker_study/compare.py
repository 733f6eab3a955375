"""homeshelf benchmark: compares the ranker of a run with gradient boosting on the same examples, features and users."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from rich.table import Table

from models.metrics import ndcg_of_groups
from models.ranker.contract import ExampleStream, Ranker
from models.ranker.entry import TrainingData
from pipelines.inputs.published import PublishedRun
from pipelines.learning import train_and_save_ranker
from pipelines.options.options import UsageError
from pipelines.options.published_options import BenchmarkOptions
from pipelines.ranker_study.boosting import (
    NDCG_K,
    BoostingSplit,
    ExampleArrays,
    fit_best_size,
    fit_classifier,
    fit_ranking,
)
from pipelines.ranker_study.compare_tables import (
    Ordering,
    calibration_error_table,
    ordering_table,
    reward_auc_table,
    throughput_table,
)
from pipelines.ranker_study.oracle import oracle_shares, oracle_table
from pipelines.rendering.console import wide_console
from transforms.candidates.sources import SOURCES
from transforms.features.feature_tables import FEATURE_ROWS
from transforms.features.rewards import expected_reward
from transforms.ranking.example_stream import stream_examples
from transforms.ranking.ranker_files import open_vocabulary
from transforms.ranking.rankers import load_ranker
from transforms.tables.checkpoints import CheckpointFolder
from transforms.tables.columns import fingerprint


def run_benchmark(options: BenchmarkOptions) -> int:
    """Train the ranker and LightGBM on a run's examples, and print how they compare.

    Raises:
        UsageError: the run trained no ranker, or its examples have other columns than today's.
    """
    published = PublishedRun(options.run, needs_pages=False)
    _check_examples(published, options.run)
    benchmark = _prepare(published, options.num_threads)
    console = wide_console()
    for table in _compare(benchmark, options.oracle):
        console.print(table)
    return 0


def _check_examples(published: PublishedRun, path: str) -> None:
    """Raise UsageError unless the run trained a ranker on examples with today's columns."""
    if "features" not in published.manifest.tables or "ranker" not in published.manifest.artifacts:
        raise UsageError(f"--run={path}: {published.folder} trained no ranker")
    if published.manifest.schemas["features"] != fingerprint(FEATURE_ROWS):
        version = published.manifest.homeshelf
        raise UsageError(f"--run={path}: its examples have the columns of another homeshelf ({version})")


@dataclass(frozen=True)
class _Benchmark:
    """A run's ranker, its examples as streams, and the same in memory.

    is_evaluated: bool [n], the held-out examples of the users on whom orderings are compared.
    score: float32 [n', H], the ranker's probabilities for these examples.
    """

    published: PublishedRun
    ranker: Ranker
    training: ExampleStream
    holdout: ExampleStream
    is_evaluated: np.ndarray
    split: BoostingSplit
    score: np.ndarray


def _prepare(published: PublishedRun, num_threads: int) -> _Benchmark:
    """Read a run's examples and score those that orderings are compared on."""
    ranker = load_ranker(published.artifact("ranker"))
    training, holdout = benchmark_examples(published, ranker)
    train, validation = (ExampleArrays.from_stream(one, ranker.spec.heads) for one in (training, holdout))
    # as where the ranker is trained: half of the users decide when to stop, the others evaluate
    is_evaluated = validation.group % 2 == 1
    stopping, evaluation = validation.select(~is_evaluated), validation.select(is_evaluated)
    score = np.concatenate([ranker.score(chunk.features) for chunk in holdout()])[is_evaluated]
    split = BoostingSplit(train, stopping, evaluation, num_threads)
    return _Benchmark(published, ranker, training, holdout, is_evaluated, split, score)


def _compare(benchmark: _Benchmark, oracle: str) -> Iterator[Table]:
    """Yield the tables one by one, because the classifiers of the other rewards take minutes.

    oracle: oracle lists, or empty.
    """
    split, heads = benchmark.split, benchmark.ranker.spec.heads
    reward = expected_reward(dict(zip(heads, benchmark.score.T, strict=True)))
    listen_head = split.train.listen_head
    listens = Ordering(*fit_best_size(partial(fit_classifier, split, listen_head)))
    orderings = {
        "ranker": Ordering(reward, _time_training(benchmark)),
        **_untrained_orderings(split.evaluation, benchmark.ranker.spec.dense),
        "LightGBM LambdaRank": Ordering(*fit_best_size(partial(fit_ranking, split))),
        "LightGBM, listens": listens,
    }
    yield ordering_table(orderings, split.evaluation)
    yield calibration_error_table(benchmark.published.manifest.training or {})
    yield throughput_table(benchmark.ranker, benchmark.holdout, split.train, split.num_threads)
    if oracle:
        scores = {name: one.score for name, one in orderings.items()}
        yield oracle_table(oracle_shares(benchmark.published, oracle, benchmark.is_evaluated, scores))
    others = {
        head: Ordering(*fit_best_size(partial(fit_classifier, split, head)))
        for head in range(len(heads))
        if head != listen_head and _is_learnable(split, head)
    }
    yield reward_auc_table(benchmark.score, split.evaluation, {listen_head: listens, **others})


def benchmark_examples(published: PublishedRun, ranker: Ranker) -> tuple[ExampleStream, ExampleStream]:
    """Return the examples that a run's ranker was trained on, and those held out."""
    rows_of = open_vocabulary(published.artifact("ranker")).rows_of(published.catalog)
    older = sorted(name for name in published.manifest.tables if name.startswith("features_"))
    paths = sorted(path for name in (*older, "features") for path in published.paths(name))
    heads = ranker.spec.heads
    holdout = partial(stream_examples, published.paths("holdout"), rows_of, heads)
    return partial(stream_examples, paths, rows_of, heads), holdout


def _time_training(benchmark: _Benchmark) -> float:
    """Return the seconds of training the ranker as the run did, with reading, calibration, evaluation and saving."""
    options, spec = benchmark.published.options, benchmark.ranker.spec
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        checkpoints = CheckpointFolder(f"{folder}/checkpoints", "benchmark")
        data = TrainingData(benchmark.training, benchmark.holdout, spec, lambda _: None, checkpoints)
        train_and_save_ranker(options, data, folder)
        return time.perf_counter() - start


def _untrained_orderings(rows: ExampleArrays, dense: Sequence[str]) -> dict[str, Ordering]:
    """Return the orderings by the blend, by the source that does best here on its own, and by popularity."""
    by_source = {source.name: rows.dense[:, dense.index(f"rank_score_{source.name}")] for source in SOURCES}
    ndcg = {
        name: np.nanmean(ndcg_of_groups(rows.group, rows.reward, score, NDCG_K)) for name, score in by_source.items()
    }
    best = max(ndcg, key=lambda name: ndcg[name])
    return {
        "blend": Ordering(rows.dense[:, dense.index("blend_score")]),
        f"best source, {best}": Ordering(by_source[best]),
        "popularity": Ordering(rows.dense[:, dense.index("track_popularity")]),
    }


def _is_learnable(split: BoostingSplit, head: int) -> bool:
    """Return whether every part of the examples has both outcomes of a reward."""
    return all(has_both_outcomes(rows, head) for rows in (split.train, split.stopping, split.evaluation))


def has_both_outcomes(rows: ExampleArrays, head: int) -> bool:
    """Return whether a reward was earned by some rows and not by others; a late reward may be settled for none."""
    return bool((rows.labels[:, head] > 0).any() and (rows.labels[:, head] == 0).any())
