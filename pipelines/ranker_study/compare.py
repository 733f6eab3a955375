"""homeshelf benchmark: the ranker of a run against gradient boosting on the same examples, features and users."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from models.metrics import auc, ndcg_of_groups
from models.ranker.contract import ExampleStream, Ranker
from models.ranker.entry import TrainingData
from pipelines.inputs.published import PublishedRun
from pipelines.learning import load_ranker, train_and_save_ranker
from pipelines.options.options import UsageError, parse_all_flags
from pipelines.options.published_options import BenchmarkOptions
from pipelines.ranker_study.boosting import (
    NDCG_K,
    ExampleArrays,
    fit_best_size,
    fit_boosting,
    fit_hundred_trees,
    ratio_interval,
    read_examples,
)
from pipelines.ranker_study.oracle import oracle_shares, oracle_table
from pipelines.rendering.console import table_of_numbers, wide_console
from transforms.candidates.sources import SOURCES
from transforms.features.features import FEATURE_ROWS
from transforms.features.rewards import expected_reward
from transforms.ranking.checkpoints import CheckpointFolder
from transforms.ranking.example_stream import stream_examples
from transforms.ranking.ranker_files import open_vocabulary
from transforms.tables.columns import fingerprint

TIMED = 7  # times that each scores all judging rows, by turns


class Ordering(NamedTuple):
    """Scores by which the judging rows [n] are ordered, and the seconds that it took to learn them."""

    score: np.ndarray
    seconds: float = 0.0


def run_benchmark(argv: Sequence[str]) -> int:
    """Train, judge, print (UsageError: the run trained no ranker, or by other columns; or LightGBM is not there)."""
    options = parse_all_flags(BenchmarkOptions, argv)
    published = PublishedRun(options.run, needs_pages=False)
    if "features" not in published.manifest["tables"] or "ranker" not in published.manifest["artifacts"]:
        raise UsageError(f"--run={options.run}: {published.folder} trained no ranker")
    if published.manifest["schemas"]["features"] != fingerprint(FEATURE_ROWS):
        version = published.manifest["homeshelf"]
        raise UsageError(f"--run={options.run}: its examples have the columns of another homeshelf ({version})")
    ranker = load_ranker(published.artifact("ranker"))
    training, holdout = benchmark_examples(published, ranker)
    heads = ranker.spec.heads
    known, later = read_examples(training, heads), read_examples(holdout, heads)
    # as in the trial of the ranker: every other user says when to stop
    is_judging = later.group % 2 == 1
    stopping, judging = later.of(~is_judging), later.of(is_judging)
    ours = np.concatenate([ranker.score(chunk.features) for chunk in holdout()])[is_judging]
    worth = expected_reward(dict(zip(heads, ours.T, strict=True)))
    orders = {"ranker": Ordering(worth, time_training(published, training, holdout, ranker))}
    orders |= untrained_orderings(judging, ranker.spec.dense)
    booster = partial(fit_boosting, known, stopping, judging, options.num_threads)
    orders["LightGBM LambdaRank"] = Ordering(*fit_best_size(partial(booster, "lambdarank", None)))
    orders["LightGBM, listens"] = listens = Ordering(*fit_best_size(partial(booster, "binary", 0)))
    console = wide_console()
    # as they come: the other rewards take minutes
    console.print(ordering_table(orders, judging))
    console.print(calibration_error_table(published.manifest["training"]))
    console.print(throughput_table(ranker, holdout, known, options.num_threads))
    if options.oracle:
        console.print(
            oracle_table(oracle_shares(published, options.oracle, is_judging, {n: o.score for n, o in orders.items()}))
        )
    told = [
        head
        for head in range(1, len(heads))
        if all(has_both_outcomes(rows, head) for rows in (known, stopping, judging))
    ]
    others = {head: Ordering(*fit_best_size(partial(booster, "binary", head))) for head in told}
    console.print(reward_auc_table(heads, ours, judging, {0: listens, **others}))
    return 0


def benchmark_examples(published: PublishedRun, ranker: Ranker) -> tuple[ExampleStream, ExampleStream]:
    """The examples that a run's ranker was trained on, and those that it was judged by."""
    rows_of = open_vocabulary(published.artifact("ranker")).rows_of(published.catalog)
    older = sorted(name for name in published.manifest["tables"] if name.startswith("features_"))
    paths = sorted(path for name in (*older, "features") for path in published.paths(name))
    heads = ranker.spec.heads
    return partial(stream_examples, paths, rows_of, heads), partial(
        stream_examples, published.paths("holdout"), rows_of, heads
    )


def time_training(published: PublishedRun, training: ExampleStream, holdout: ExampleStream, ranker: Ranker) -> float:
    """Train the ranker again as the run did, reading, stopping, calibrating, judging and saving included."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        kept = CheckpointFolder(f"{folder}/checkpoints", "benchmark")
        given = TrainingData(training, holdout, ranker.spec, lambda _: None, kept)
        train_and_save_ranker(published.options, given, folder)
        return time.perf_counter() - start


def untrained_orderings(judging: ExampleArrays, dense: Sequence[str]) -> dict[str, Ordering]:
    """Orders that nobody trains a ranker for: the merge, the source that does best here on its own, popularity."""
    places = {name: judging.dense[:, dense.index(f"place_{name}")] for name in (source.name for source in SOURCES)}
    quality = {
        name: np.nanmean(ndcg_of_groups(judging.group, judging.worth, one, NDCG_K)) for name, one in places.items()
    }
    best = max(quality, key=lambda name: quality[name])
    return {
        "blend": Ordering(judging.dense[:, dense.index("blend_score")]),
        f"best source, {best}": Ordering(places[best]),
        "popularity": Ordering(judging.dense[:, dense.index("track_popularity")]),
    }


def ordering_table(orders: dict[str, Ordering], judging: ExampleArrays) -> Table:
    """NDCG@10 of worth and of listens, and the ranker's ratio to it with its 95 % interval, over the same users."""
    users = f"{len(judging.sizes):,} users, {len(judging.group):,} candidates"
    title = f"later examples that nobody learned from: {users}"
    names = ("by", "NDCG@10 of worth", "ranker / it", "NDCG@10 of listens", "AUC of listens", "trained in")
    table = table_of_numbers(title, names)
    listens = judging.labels[:, 0]
    ours = ndcg_of_groups(judging.group, judging.worth, orders["ranker"].score, NDCG_K)
    for name, (score, seconds) in orders.items():
        worth = ndcg_of_groups(judging.group, judging.worth, score, NDCG_K)
        times, low, high = ratio_interval(ours, worth)
        table.add_row(
            name,
            f"{np.nanmean(worth):.4f}",
            "" if name == "ranker" else f"{times:.3f}x ({low:.3f} to {high:.3f})",
            f"{np.nanmean(ndcg_of_groups(judging.group, listens, score, NDCG_K)):.4f}",
            f"{auc(listens, score):.4f}",
            f"{seconds:.1f} s" if seconds else "",
        )
    return table


def has_both_outcomes(rows: ExampleArrays, head: int) -> bool:
    """Whether a reward came true for some rows and not for others; what is settled late may not be settled for any."""
    return bool((rows.labels[:, head] > 0).any() and (rows.labels[:, head] == 0).any())


def reward_auc_table(
    heads: Sequence[str], ours: np.ndarray, judging: ExampleArrays, theirs: Mapping[int, Ordering]
) -> Table:
    """AUC of each head beside that of a LightGBM that was trained for it alone, and the difference, as far as told."""
    seconds = sum(order.seconds for order in theirs.values())
    table = table_of_numbers(
        f"AUC by reward; all of LightGBM's trained in {seconds:.1f} s", ("reward", "ranker", "LightGBM", "minus it")
    )
    for head, name in enumerate(heads):
        if head not in theirs:
            table.add_row(name, "", "", "not settled, or always the same")
            continue
        label = judging.labels[:, head]
        settled = np.isfinite(label)
        pair = [auc(label[settled], scores[settled]) for scores in (ours[:, head], theirs[head].score)]
        table.add_row(name, *(f"{value:.4f}" for value in pair), f"{pair[0] - pair[1]:+.4f}")
    return table


def calibration_error_table(training: dict[str, Any]) -> Table:
    """Expected calibration error of each reward, and of listens by segment, as the run found it on the same users."""
    table = table_of_numbers(
        "calibration", ("of", "candidates", "expected calibration error", "mean chance", "came true")
    )
    for name, found in (*training["heads"].items(), *training["segments"].items()):
        figures = (found[key] for key in ("calibration_error", "mean_probability", "share"))
        told = ("" if value is None else f"{value:.4f}" for value in figures)
        table.add_row(name, f"{found['examples']:,}", *told)
    return table


def throughput_table(ranker: Ranker, examples: ExampleStream, known: ExampleArrays, num_threads: int) -> Table:
    """Rows a second that the ranker scores, all its rewards at once, beside one LightGBM of a hundred trees."""
    chunks = [chunk.features for chunk in examples()]
    trees = fit_hundred_trees(known, num_threads)
    scorers: dict[str, Callable[[Any], Any]] = {
        "ranker": ranker.score,
        "LightGBM, 100 trees": lambda features: trees.predict(features["dense"], num_threads=num_threads),
    }
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
    for _ in range(TIMED):
        for name, score in scorers.items():
            start = time.perf_counter()
            for features in chunks:
                score(features)
            seconds[name].append(time.perf_counter() - start)
    rows = sum(len(features["track"]) for features in chunks)
    times = np.divide(seconds["LightGBM, 100 trees"], seconds["ranker"])
    title = f"scoring: the ranker {np.median(times):.2f}x LightGBM's rows/s ({times.min():.2f} to {times.max():.2f})"
    table = table_of_numbers(title, ("by", "rows/s"))
    for name, taken in seconds.items():
        table.add_row(name, f"{rows / np.median(taken):,.0f}")
    return table
