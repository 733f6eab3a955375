"""Gradient boosting (LightGBM) on the examples of a ranker, and intervals of the difference between two orderings."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from models.ranker.contract import ExampleStream
from transforms.features.rewards import LISTENED, expected_reward

NDCG_K = 10
NUM_LEAVES = (7, 15, 31)
# Trees are added until the early stopping users gain nothing from 50 more.
MAX_TREES, _PATIENCE = 500, 50
_NUM_REPLICATES = 1000
_PARAMETERS = {
    "learning_rate": 0.05,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "seed": 1,
    "verbosity": -1,
}
# LambdaRank takes whole numbers as gains: tenths of a reward.
_GAINS_PER_REWARD = 10


class Booster(Protocol):
    """A trained LightGBM model, as far as it is used here."""

    def predict(self, data: np.ndarray, raw_score: bool = False, num_threads: int = 0) -> np.ndarray:
        """Return the predictions [n] of features [n, F]."""

    def feature_importance(self, importance_type: str) -> np.ndarray:
        """Return the importance of each feature [F]."""


class ExampleArrays(NamedTuple):
    """Examples in memory, sorted by user.

    heads: names of the H rewards.
    dense: float32 [n, F], features.
    labels: float32 [n, H], NaN where the outcome is not settled.
    reward: float64 [n], the sum of the rewards by weight.
    group: int32 [n], the user.
    """

    heads: tuple[str, ...]
    dense: np.ndarray
    labels: np.ndarray
    reward: np.ndarray
    group: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Return the number of rows of each user."""
        return np.diff(np.flatnonzero(np.append(True, np.diff(self.group) != 0)), append=len(self.group))

    @property
    def listen_head(self) -> int:
        """Return the index of the reward for listening."""
        return self.heads.index(LISTENED)

    def select(self, rows: np.ndarray) -> "ExampleArrays":
        """Return some of the rows; `rows`: their indices, or a mask."""
        return ExampleArrays(self.heads, *(array[rows] for array in self[1:]))

    @classmethod
    def from_stream(cls, examples: ExampleStream, heads: Sequence[str]) -> "ExampleArrays":
        """Read all examples of a stream."""
        chunks = list(examples())
        dense = np.concatenate([chunk.features["dense"] for chunk in chunks])
        labels = np.concatenate([chunk.label for chunk in chunks])
        group = np.concatenate([chunk.group for chunk in chunks])
        reward = expected_reward(dict(zip(heads, np.nan_to_num(labels).T, strict=True)))
        return cls(tuple(heads), dense, labels, reward, group)


@dataclass(frozen=True)
class BoostingSplit:
    """Examples to train on, examples that decide when to stop, and examples to predict."""

    train: ExampleArrays
    stopping: ExampleArrays
    evaluation: ExampleArrays
    num_threads: int


class BoostingFit(NamedTuple):
    """The metric on the early stopping users, scores of the evaluation rows [n], and the seconds of training."""

    metric: float
    score: np.ndarray
    seconds: float


def fit_best_size(fit: Callable[[int], BoostingFit]) -> tuple[np.ndarray, float]:
    """Train a model for each of NUM_LEAVES; return the scores and seconds of the best on the early stopping users."""
    best = max((fit(num_leaves) for num_leaves in NUM_LEAVES), key=lambda one: one.metric)
    return best.score, best.seconds


def fit_ranking(split: BoostingSplit, num_leaves: int) -> BoostingFit:
    """Train LambdaRank on the rewards by weight."""
    max_reward = max(split.train.reward.max(), split.stopping.reward.max())
    gains = list(range(int(max_reward * _GAINS_PER_REWARD) + 2))
    parameters = {"objective": "lambdarank", "metric": "ndcg", "eval_at": [NDCG_K], "label_gain": gains}
    train, stopping = (
        _Data(rows.dense, np.round(rows.reward * _GAINS_PER_REWARD).astype(int), rows.sizes)
        for rows in (split.train, split.stopping)
    )
    return _fit(split, train, stopping, {**parameters, "num_leaves": num_leaves})


def fit_classifier(split: BoostingSplit, head: int, num_leaves: int) -> BoostingFit:
    """Train a classifier of one reward on its settled labels."""
    train, stopping = (_settled(rows, head) for rows in (split.train, split.stopping))
    return _fit(split, train, stopping, {"objective": "binary", "metric": "auc", "num_leaves": num_leaves})


class _Data(NamedTuple):
    """Features [n, F] and labels [n] of a LightGBM dataset; sizes: rows of each user, for LambdaRank."""

    dense: np.ndarray
    label: np.ndarray
    sizes: np.ndarray | None


def _settled(rows: ExampleArrays, head: int) -> _Data:
    settled = np.isfinite(rows.labels[:, head])
    return _Data(rows.dense[settled], rows.labels[:, head][settled], None)


def _fit(split: BoostingSplit, train: _Data, stopping: _Data, parameters: dict[str, object]) -> BoostingFit:
    """Train with early stopping and predict the evaluation rows."""
    import lightgbm

    shared = {**_PARAMETERS, **parameters, "num_threads": split.num_threads}
    start = time.perf_counter()
    data = lightgbm.Dataset(train.dense, train.label, group=train.sizes)
    valid = lightgbm.Dataset(stopping.dense, stopping.label, group=stopping.sizes, reference=data)
    stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
    model = lightgbm.train(shared, data, MAX_TREES, valid_sets=[valid], callbacks=[stop])
    seconds = time.perf_counter() - start
    (metric,) = model.best_score["valid_0"].values()
    return BoostingFit(float(metric), np.asarray(model.predict(split.evaluation.dense)), seconds)


def fit_hundred_trees(train: ExampleArrays, num_threads: int) -> Booster:
    """Train a classifier of listens with a hundred trees of the largest size, to time its scoring."""
    import lightgbm

    parameters = {**_PARAMETERS, "objective": "binary", "num_leaves": NUM_LEAVES[-1], "num_threads": num_threads}
    labels = train.labels[:, train.listen_head].copy()
    booster: Booster = lightgbm.train(parameters, lightgbm.Dataset(train.dense, labels), 100)
    return booster


def ratio_interval(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Return the ratio of two means over users [U] and its paired 95 % bootstrap interval; NaN does not count."""
    both = np.isfinite(ours) & np.isfinite(theirs)
    drawn = np.random.default_rng(1).poisson(1, size=(_NUM_REPLICATES, int(both.sum())))
    if not both.any() or not theirs[both].any():
        return (np.nan,) * 3
    ratios = (drawn @ ours[both]) / np.maximum(drawn @ theirs[both], 1e-12)
    return (float(ours[both].mean() / theirs[both].mean()), *np.quantile(ratios, [0.025, 0.975]).tolist())


def mean_interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of paired differences of users [U] and its 95 % bootstrap interval; NaN does not count."""
    finite = differences[np.isfinite(differences)]
    drawn = np.random.default_rng(1).poisson(1, size=(_NUM_REPLICATES, len(finite)))
    means = drawn @ finite / np.maximum(drawn.sum(axis=1), 1)
    return (float(finite.mean()), *np.quantile(means, [0.025, 0.975]).tolist()) if len(finite) else (np.nan,) * 3
