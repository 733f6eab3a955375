"""The tables that homeshelf benchmark prints."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from models.metrics import auc, ndcg_of_groups
from models.ranker.contract import ExampleStream, FeatureBatch, Ranker
from pipelines.ranker_study.boosting import NDCG_K, ExampleArrays, fit_hundred_trees, ratio_interval
from pipelines.rendering.console import table_of_numbers

_NUM_TIMINGS = 7  # each model scores all rows this many times, in turns
_RANKER, _HUNDRED_TREES = "ranker", "LightGBM, 100 trees"


class Ordering(NamedTuple):
    """Scores that order the evaluation rows [n], and the seconds of training the model that gave them."""

    score: np.ndarray
    seconds: float = 0.0


def ordering_table(orderings: Mapping[str, Ordering], rows: ExampleArrays) -> Table:
    """Return NDCG@10 of rewards and of listens by ordering, and the ranker's ratio to it with its 95 % interval."""
    title = (
        f"held-out examples of users who stopped no training: {len(rows.sizes):,} users, {len(rows.group):,} candidates"
    )
    heads = ("by", "NDCG@10 of rewards", "ranker / it", "NDCG@10 of listens", "AUC of listens", "trained in")
    table = table_of_numbers(title, heads)
    listens = rows.labels[:, rows.listen_head]
    ours = ndcg_of_groups(rows.group, rows.reward, orderings[_RANKER].score, NDCG_K)
    for name, (score, seconds) in orderings.items():
        ndcg = ndcg_of_groups(rows.group, rows.reward, score, NDCG_K)
        ratio, low, high = ratio_interval(ours, ndcg)
        table.add_row(
            name,
            f"{np.nanmean(ndcg):.4f}",
            "" if name == _RANKER else f"{ratio:.3f}x ({low:.3f} to {high:.3f})",
            f"{np.nanmean(ndcg_of_groups(rows.group, listens, score, NDCG_K)):.4f}",
            f"{auc(listens, score):.4f}",
            f"{seconds:.1f} s" if seconds else "",
        )
    return table


def reward_auc_table(ours: np.ndarray, rows: ExampleArrays, theirs: Mapping[int, Ordering]) -> Table:
    """Return the AUC of each reward by the ranker [n, H], by a classifier of that reward alone, and the difference.

    theirs: scores by head; heads without one get an empty row.
    """
    seconds = sum(ordering.seconds for ordering in theirs.values())
    title = f"AUC by reward; LightGBM's classifiers were trained in {seconds:.1f} s"
    table = table_of_numbers(title, ("reward", "ranker", "LightGBM", "difference"))
    for head, name in enumerate(rows.heads):
        if head not in theirs:
            table.add_row(name, "", "", "not settled, or always the same")
            continue
        label = rows.labels[:, head]
        settled = np.isfinite(label)
        ranker, boosting = (auc(label[settled], score[settled]) for score in (ours[:, head], theirs[head].score))
        table.add_row(name, f"{ranker:.4f}", f"{boosting:.4f}", f"{ranker - boosting:+.4f}")
    return table


def calibration_error_table(training: Mapping[str, Any]) -> Table:
    """Return the calibration of each reward, and of listens by segment, from a run's training report."""
    heads = ("of", "candidates", "expected calibration error", "mean probability", "came true")
    table = table_of_numbers("calibration", heads)
    for name, found in (*training["heads"].items(), *training["segments"].items()):
        figures = (found[key] for key in ("calibration_error", "mean_probability", "share"))
        table.add_row(name, f"{found['examples']:,}", *("" if value is None else f"{value:.4f}" for value in figures))
    return table


def throughput_table(ranker: Ranker, examples: ExampleStream, train: ExampleArrays, num_threads: int) -> Table:
    """Return the rows a second that the ranker scores for all rewards, and LightGBM of 100 trees for one."""
    chunks = [chunk.features for chunk in examples()]
    trees = fit_hundred_trees(train, num_threads)
    scorers: dict[str, Callable[[FeatureBatch], object]] = {
        _RANKER: ranker.score,
        _HUNDRED_TREES: lambda features: trees.predict(features["dense"], num_threads=num_threads),
    }
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
    for _ in range(_NUM_TIMINGS):
        for name, score in scorers.items():
            start = time.perf_counter()
            for features in chunks:
                score(features)
            seconds[name].append(time.perf_counter() - start)
    rows = sum(len(features["track"]) for features in chunks)
    ratio = np.divide(seconds[_HUNDRED_TREES], seconds[_RANKER])
    title = f"scoring: the ranker {np.median(ratio):.2f}x LightGBM's rows/s ({ratio.min():.2f} to {ratio.max():.2f})"
    table = table_of_numbers(title, ("by", "rows/s"))
    for name, taken in seconds.items():
        table.add_row(name, f"{rows / np.median(taken):,.0f}")
    return table
