"""Gradient boosting on the examples of a ranker, and how two orders of the same rows are compared."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from models.ranker.contract import ExampleStream
from transforms.features.rewards import expected_reward

NDCG_K, REPLICATES = 10, 1000
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
MAX_TREES, PATIENCE = 500, 50
# Rewards are gains of LambdaRank in so many steps to 1.
STEPS = 10


class ExampleArrays(NamedTuple):
    """Examples in memory: dense features [n, F], labels [n, H], what each is worth [n], users [n] in order."""

    dense: np.ndarray
    labels: np.ndarray
    worth: np.ndarray
    group: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each user."""
        return np.diff(np.flatnonzero(np.append(True, np.diff(self.group) != 0)), append=len(self.group))

    def of(self, chosen: np.ndarray) -> "ExampleArrays":
        """Some of the rows."""
        return ExampleArrays(*(array[chosen] for array in self))


def read_examples(examples: ExampleStream, heads: Sequence[str]) -> ExampleArrays:
    """All rows of some examples."""
    chunks = list(examples())
    dense = np.concatenate([chunk.features["dense"] for chunk in chunks])
    labels, group = (np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in ("label", "group"))
    return ExampleArrays(dense, labels, expected_reward(dict(zip(heads, np.nan_to_num(labels).T, strict=True))), group)


def fit_best_size(fit: Callable[[int], tuple[float, np.ndarray, float]]) -> tuple[np.ndarray, float]:
    """Scores of the best of as many trials as LEAVES has, by the stopping users, and the seconds that it took."""
    _, scores, seconds = max((fit(leaves) for leaves in LEAVES), key=lambda found: found[0])
    return scores, seconds


def fit_boosting(
    known: ExampleArrays,
    stopping: ExampleArrays,
    judging: ExampleArrays,
    num_threads: int,
    objective: str,
    head: int | None,
    leaves: int,
) -> tuple[float, np.ndarray, float]:
    """How good the stopping users find it, scores of the judging rows, and seconds; of worth where no head is named."""
    import lightgbm

    def data(rows: ExampleArrays, reference: Any = None) -> Any:
        if head is None:
            gain = np.round(rows.worth * STEPS).astype(int)
            return lightgbm.Dataset(rows.dense, gain, group=rows.sizes, reference=reference)
        settled = np.isfinite(rows.labels[:, head])
        return lightgbm.Dataset(rows.dense[settled], rows.labels[:, head][settled], reference=reference)

    parameters = {**SHARED, "objective": objective, "num_leaves": leaves, "num_threads": num_threads}
    if head is None:
        gains = list(range(int(max(known.worth.max(), stopping.worth.max()) * STEPS) + 2))
        parameters |= {"metric": "ndcg", "eval_at": [NDCG_K], "label_gain": gains}
    else:
        parameters |= {"metric": "auc"}
    start = time.perf_counter()
    ours = data(known)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    model = lightgbm.train(parameters, ours, MAX_TREES, valid_sets=[data(stopping, ours)], callbacks=[stop])
    seconds = time.perf_counter() - start
    (found,) = model.best_score["valid_0"].values()
    return float(found), np.asarray(model.predict(judging.dense)), seconds


def fit_hundred_trees(known: ExampleArrays, num_threads: int) -> Any:
    """A booster of listens with a hundred trees of the largest size, by which scoring is timed."""
    import lightgbm

    parameters = {**SHARED, "objective": "binary", "num_leaves": LEAVES[-1], "num_threads": num_threads}
    return lightgbm.train(parameters, lightgbm.Dataset(known.dense, known.labels[:, 0].copy()), 100)


def ratio_interval(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Mean of ours [users] over that of theirs, and its paired 95 % bootstrap interval; NaN does not count."""
    both = np.isfinite(ours) & np.isfinite(theirs)
    drawn = np.random.default_rng(1).poisson(1, size=(REPLICATES, int(both.sum())))
    if not both.any() or not theirs[both].any():
        return (np.nan,) * 3
    ratios = (drawn @ ours[both]) / np.maximum(drawn @ theirs[both], 1e-12)
    return (float(ours[both].mean() / theirs[both].mean()), *np.quantile(ratios, [0.025, 0.975]).tolist())


def mean_interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Mean of paired differences [users] and its 95 % bootstrap interval; NaN does not count."""
    known = differences[np.isfinite(differences)]
    drawn = np.random.default_rng(1).poisson(1, size=(REPLICATES, len(known)))
    means = drawn @ known / np.maximum(drawn.sum(axis=1), 1)
    return (float(known.mean()), *np.quantile(means, [0.025, 0.975]).tolist()) if len(known) else (np.nan,) * 3
