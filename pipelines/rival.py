"""homeshelf rival: the ranker of a run against gradient boosting on the same examples, features and users."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from models.contract import Passes
from models.metrics import auc, ndcg_of_groups
from pipelines.learning import load_ranker
from pipelines.options import UsageError, parse_all
from pipelines.published import PublishedRun
from pipelines.published_options import RivalOptions
from transforms.rankers import open_vocabulary
from transforms.rewards import expected
from transforms.train_models import stream_examples

K, REPLICATES = 10, 1000
LEAVES = (7, 15, 31)
# What both objectives of LightGBM are given; trees are added until the stopping users gain nothing from 50 more.
SHARED = {
    "learning_rate": 0.05,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "seed": 1,
    "verbosity": -1,
}
MOST_TREES, PATIENCE = 500, 50
# Rewards are gains of LambdaRank in so many steps to 1.
STEPS = 10


class Rows(NamedTuple):
    """Examples in memory: dense features [n, F], labels [n, H], what each is worth [n], users [n] in order."""

    dense: np.ndarray
    labels: np.ndarray
    worth: np.ndarray
    group: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each user."""
        return np.diff(np.flatnonzero(np.append(True, np.diff(self.group) != 0)), append=len(self.group))

    def of(self, chosen: np.ndarray) -> "Rows":
        """Some of the rows."""
        return Rows(*(array[chosen] for array in self))


def run(argv: Sequence[str]) -> int:
    """Train, judge, print (UsageError: the run trained no ranker, or LightGBM is not there)."""
    options = parse_all(RivalOptions, argv)
    published = PublishedRun(options.run)
    if "features" not in published.manifest["tables"]:
        raise UsageError(f"--run={options.run}: {published.folder} trained no ranker")
    path = published.artifact("ranker")
    ranker, rows_of = load_ranker(path), open_vocabulary(path).rows_of(published.catalog)
    heads = ranker.spec.heads
    training, holdout = (
        partial(stream_examples, published.paths(name), rows_of, heads) for name in ("features", "holdout")
    )
    known, later = rows_in(training, heads), rows_in(holdout, heads)
    # as in the trial of the ranker: every other user says when to stop
    stopping, judging = later.of(later.group % 2 == 0), later.of(later.group % 2 == 1)
    ours = np.concatenate([ranker.score(chunk.features)[chunk.group % 2 == 1] for chunk in holdout()])
    scores = {"ranker": (expected(dict(zip(heads, ours.T, strict=True))), 0.0)}
    scores["merge"] = (judging.dense[:, ranker.spec.dense.index("fusion")], 0.0)
    booster = partial(boost, known, stopping, judging, options.num_threads)
    scores["LightGBM LambdaRank"] = best_of(partial(booster, "lambdarank", None))
    scores["LightGBM, listens"] = best_of(partial(booster, "binary", 0))
    console = Console()
    console.print(judged(scores, judging))
    console.print(heads_judged(heads, ours, judging, booster))
    return 0


def rows_in(examples: Passes, heads: Sequence[str]) -> Rows:
    """All rows of some examples."""
    chunks = list(examples())
    dense = np.concatenate([chunk.features["dense"] for chunk in chunks])
    labels, group = (np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in ("label", "group"))
    return Rows(dense, labels, expected(dict(zip(heads, np.nan_to_num(labels).T, strict=True))), group)


def best_of(fit: Callable[[int], tuple[float, np.ndarray, float]]) -> tuple[np.ndarray, float]:
    """Scores of the best of as many trials as LEAVES has, by the stopping users, and the seconds that it took."""
    _, scores, seconds = max((fit(leaves) for leaves in LEAVES), key=lambda found: found[0])
    return scores, seconds


def boost(
    known: Rows, stopping: Rows, judging: Rows, num_threads: int, objective: str, head: int | None, leaves: int
) -> tuple[float, np.ndarray, float]:
    """How good the stopping users find it, scores of the judging rows, and seconds; of worth where no head is named."""
    import lightgbm

    def data(rows: Rows, reference: Any = None) -> Any:
        if head is None:
            gain = np.round(rows.worth * STEPS).astype(int)
            return lightgbm.Dataset(rows.dense, gain, group=rows.sizes, reference=reference)
        settled = np.isfinite(rows.labels[:, head])
        return lightgbm.Dataset(rows.dense[settled], rows.labels[settled, head], reference=reference)

    parameters = {**SHARED, "objective": objective, "num_leaves": leaves, "num_threads": num_threads}
    if head is None:
        gains = list(range(int(max(known.worth.max(), stopping.worth.max()) * STEPS) + 2))
        parameters |= {"metric": "ndcg", "eval_at": [K], "label_gain": gains}
    else:
        parameters |= {"metric": "auc"}
    start = time.perf_counter()
    ours = data(known)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    model = lightgbm.train(parameters, ours, MOST_TREES, valid_sets=[data(stopping, ours)], callbacks=[stop])
    seconds = time.perf_counter() - start
    (found,) = model.best_score["valid_0"].values()
    return float(found), np.asarray(model.predict(judging.dense)), seconds


def judged(scores: dict[str, tuple[np.ndarray, float]], judging: Rows) -> Table:
    """NDCG@10 of worth and of listens, and the ranker's difference with its 95 % interval, over the same users."""
    users = f"{len(judging.sizes):,} users, {len(judging.group):,} candidates"
    table = Table(title=f"later examples that nobody learned from: {users}", title_justify="left", box=None)
    for column in ("by", "NDCG@10 of worth", "ranker minus it", "NDCG@10 of listens", "AUC of listens", "trained in"):
        table.add_column(column, justify="left" if column == "by" else "right")
    listens = judging.labels[:, 0]
    ours = ndcg_of_groups(judging.group, judging.worth, scores["ranker"][0], K)
    for name, (score, seconds) in scores.items():
        worth = ndcg_of_groups(judging.group, judging.worth, score, K)
        mean, low, high = interval(ours - worth)
        table.add_row(
            name,
            f"{np.nanmean(worth):.4f}",
            "" if name == "ranker" else f"{mean:+.4f} ({low:+.4f} to {high:+.4f})",
            f"{np.nanmean(ndcg_of_groups(judging.group, listens, score, K)):.4f}",
            f"{auc(listens, score):.4f}",
            f"{seconds:.1f} s" if seconds else "",
        )
    return table


def heads_judged(heads: Sequence[str], ours: np.ndarray, judging: Rows, booster: Callable[..., Any]) -> Table:
    """AUC of each head beside that of a LightGBM that was trained for it alone."""
    table = Table(title="AUC by reward", title_justify="left", box=None)
    for column in ("reward", "ranker", "LightGBM"):
        table.add_column(column, justify="left" if column == "reward" else "right")
    for head, name in enumerate(heads):
        label = judging.labels[:, head]
        settled = np.isfinite(label)
        theirs, _ = best_of(partial(booster, "binary", head))
        pair = (auc(label[settled], scores[settled]) for scores in (ours[:, head], theirs))
        table.add_row(name, *(f"{value:.4f}" for value in pair))
    return table


def interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Mean of paired differences [users] and its 95 % bootstrap interval; NaN does not count."""
    known = differences[np.isfinite(differences)]
    drawn = np.random.default_rng(1).poisson(1, size=(REPLICATES, len(known)))
    means = drawn @ known / np.maximum(drawn.sum(axis=1), 1)
    return (float(known.mean()), *np.quantile(means, [0.025, 0.975]).tolist()) if len(known) else (np.nan,) * 3
