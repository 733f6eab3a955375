"""Feature ablation of a new column: one learner on the same rows without the column, with it, and with a placebo of it.

         examples of the run, in 2 folds by key            validation examples, in the same folds
       fold 0 -- train boosting on top of the ranker --> predict fold 1 --+
       fold 1 -- train boosting on top of the ranker --> predict fold 0 --+--> log-odds of every validation row

No booster predicts a key that it was trained on, so a column that only tells users (or tracks) apart gains nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipelines.ranker_study.boosting import Booster
from pipelines.signals.dataset import LabelledCandidates, SignalDataset
from transforms.features.features import FEATURE_NAMES
from transforms.tables.hashing import stable_hash

# Boosting starts from the ranker's predictions: few trees suffice for what a column adds.
_NUM_FOLDS, NUM_TREES = 2, 40
# Features of the run whose importance is printed next to that of the column.
_NUM_COMPARED_FEATURES = 4
_NUM_SEGMENTS = 10
_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "max_bin": 63,
    "lambda_l2": 10.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "seed": 1,
}
# Boosters of one fold by head; a head whose training labels are all the same has none.
FoldBoosters = Mapping[int, Booster]


class AblationFit(NamedTuple):
    """Log-odds of the validation rows [n, H], boosters by fold, and total gain of each feature [F] (or [F + 1])."""

    log_odds: np.ndarray
    boosters: Sequence[FoldBoosters]
    importance: np.ndarray


@dataclass(frozen=True)
class FeatureAblation:
    """Trains the same learner on the same rows with different columns.

    key: user_id, track_id or both: the columns that a value of the new column belongs to.
    """

    dataset: SignalDataset
    key: tuple[str, ...]
    num_threads: int
    num_trees: int = NUM_TREES

    def folds(self, rows: LabelledCandidates) -> np.ndarray:
        """Return the fold of each row [n]: a hash of its user, or of its track where the key has no user."""
        name = "user_id" if "user_id" in self.key else "track_id"
        return (stable_hash(rows.keys[name], seed=_NUM_FOLDS) % np.uint64(_NUM_FOLDS)).astype(np.int64)

    def fit(self, train: np.ndarray | None = None, validation: np.ndarray | None = None) -> AblationFit:
        """Train with the values of a column for the training [n] and validation rows [n], or without a column."""
        values, fold = _with_column(self.dataset.train, train), self.folds(self.dataset.train)
        boosters = [self._fit_fold(values, np.flatnonzero(fold != left_out)) for left_out in range(_NUM_FOLDS)]
        listen_head = self.dataset.train.listen_head
        gains = [models[listen_head].feature_importance("gain") for models in boosters if listen_head in models]
        log_odds = self.predict(boosters, _with_column(self.dataset.validation, validation))
        return AblationFit(log_odds, boosters, np.sum(gains, axis=0) if gains else np.zeros(values.shape[1]))

    def predict(self, boosters: Sequence[FoldBoosters], values: np.ndarray) -> np.ndarray:
        """Return log-odds [n, H] of the validation rows with these features [n, F], each by the boosters of its fold.

        Heads without a booster keep the predictions of the ranker.
        """
        predicted, fold = np.array(self.dataset.validation.log_odds), self.folds(self.dataset.validation)
        for number, models in enumerate(boosters):
            rows = np.flatnonzero(fold == number)
            for head, model in models.items():
                if len(rows):
                    predicted[rows, head] += model.predict(values[rows], raw_score=True, num_threads=self.num_threads)
        return predicted

    def _fit_fold(self, values: np.ndarray, index: np.ndarray) -> FoldBoosters:
        """Train a booster for each head on some of the training rows."""
        import lightgbm

        rows = self.dataset.train
        parameters = {**_PARAMETERS, "num_threads": self.num_threads}
        data = lightgbm.Dataset(values[index], np.zeros(len(index)), params=parameters, free_raw_data=False).construct()
        boosters: dict[int, Booster] = {}
        for head in range(len(rows.heads)):
            labels = rows.labels[index, head]
            is_settled = np.isfinite(labels)
            if labels[is_settled].min(initial=1) == labels[is_settled].max(initial=0):
                continue
            data.set_label(np.nan_to_num(labels))
            data.set_weight(is_settled.astype(np.float32))
            data.set_init_score(rows.log_odds[index, head])
            boosters[head] = lightgbm.train(parameters, data, self.num_trees)
        return boosters

    def permuted_predictions(self, fit: AblationFit, validation: np.ndarray) -> dict[str | None, np.ndarray]:
        """Return log-odds [n, H] of the validation rows with the values of one feature permuted, by feature.

        None stands for the new column, whose values are `validation`; the others are the most important features of
        the fit. Only the predictions of listens are made anew.
        """
        values, column = _with_column(self.dataset.validation, validation), len(FEATURE_NAMES)
        listen_head = self.dataset.train.listen_head
        boosters = [{head: model for head, model in one.items() if head == listen_head} for one in fit.boosters]
        predicted: dict[str | None, np.ndarray] = {}
        for index in (column, *_most_important(fit.importance[:column])):
            kept = values[:, index].copy()
            if index == column:
                values[:, index] = self.placebo(validation, self.dataset.validation, seed=2)
            else:
                values[:, index] = np.random.default_rng(2).permutation(kept)
            predicted[None if index == column else FEATURE_NAMES[index]] = self.predict(boosters, values)
            values[:, index] = kept
        return predicted

    def placebo(self, values: np.ndarray, rows: LabelledCandidates, seed: int) -> np.ndarray:
        """Return the column's values [n] given to other keys of the same segment.

        Pairs exchange values within a user, users with users about as active, tracks with tracks about as popular: a
        placebo has the same values and gaps, and tells as much about the segment as the column does.
        """
        rng = np.random.default_rng(seed)
        if len(self.key) == 2:
            return _shuffle_within(values, rows.user, rng)
        name, code = ("user_plays", rows.user) if "user_id" in self.key else ("track_popularity", rows.track)
        _, first, key_index = np.unique(code, return_index=True, return_inverse=True)
        size = rows.feature(name)[first]
        segment = np.searchsorted(np.quantile(size, np.linspace(0, 1, _NUM_SEGMENTS + 1)[1:-1]), size)
        return _shuffle_within(values[first], segment, rng)[key_index]


def most_important_features(fit: AblationFit) -> list[str]:
    """Return the run's features that the boosters of listens gained most by, the first the most important."""
    return [FEATURE_NAMES[index] for index in _most_important(fit.importance[: len(FEATURE_NAMES)])]


def _most_important(importance: np.ndarray) -> list[int]:
    return [int(index) for index in np.argsort(-importance)[:_NUM_COMPARED_FEATURES]]


def _with_column(rows: LabelledCandidates, values: np.ndarray | None) -> np.ndarray:
    """Return the run's features [n, F], and the column as one more where there is one [n, F + 1]."""
    return rows.dense if values is None else np.column_stack([rows.dense, values.astype(np.float32)])


def _shuffle_within(values: np.ndarray, segment: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the values of each segment in a random order."""
    order = np.lexsort((rng.random(len(values)), segment))
    shuffled = np.empty_like(values)
    shuffled[np.lexsort((np.arange(len(values)), segment))] = values[order]
    return shuffled
