"""The trial of new columns: the same learner on the same rows without a column, with it, and with a placebo of it.

            examples of the run, folds 0 and 1 of the key           later examples
       fold 0 -- learn: boosting that goes on from the ranker --> predict fold 1 --+
       fold 1 -- learn -----------------------------------------> predict fold 0 --+--> log-odds of every later row

Who is predicted was never learned from, so a column that only tells users (or tracks) apart gains nothing.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipelines.signals.dataset import LabelledCandidates, SignalDataset
from transforms.features.features import FEATURE_NAMES
from transforms.tables.hashing import stable_hash

# Enough for what a column adds to the ranker, from which the boosting goes on.
NUM_FOLDS, NUM_TREES = 2, 40
# Features of the run whose importance is printed beside that of a column.
NEXT = 4
PARAMETERS = {
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


class AblationFit(NamedTuple):
    """Log-odds [n, H] of the later rows, the boosters by fold and head, and gain by feature [F] (or [F + 1])."""

    log_odds: np.ndarray
    boosters: list[list[Any]]
    importance: np.ndarray


@dataclass(frozen=True)
class FeatureAblation:
    """Learns again and again on the same rows."""

    material: SignalDataset
    key: tuple[str, ...]
    num_threads: int
    num_trees: int

    def folds(self, rows: LabelledCandidates) -> np.ndarray:
        """The fold of each row: by the user, or where the key is the track, by the track."""
        name = "user_id" if "user_id" in self.key else "track_id"
        return (stable_hash(rows.keys[name], seed=NUM_FOLDS) % np.uint64(NUM_FOLDS)).astype(np.int64)

    def learn(self, known: np.ndarray | None = None, later: np.ndarray | None = None) -> AblationFit:
        """Learn with a column's values beside the examples [n] and beside the later ones, or without."""
        values, fold = _beside(self.material.known, known), self.folds(self.material.known)
        boosters = [self._boosted(values, np.flatnonzero(fold != one)) for one in range(NUM_FOLDS)]
        gains = [model.feature_importance("gain") for models in boosters for model in models[:1] if model is not None]
        log_odds = self.predict(boosters, _beside(self.material.later, later))
        return AblationFit(log_odds, boosters, np.sum(gains, axis=0) if gains else np.zeros(values.shape[1]))

    def predict(self, boosters: list[list[Any]], values: np.ndarray) -> np.ndarray:
        """Log-odds [n, H] of the later rows with these features, each by the boosters that did not see its key.

        Of fewer boosters than rewards, the rest stay with the ranker.
        """
        found, fold = np.array(self.material.later.log_odds), self.folds(self.material.later)
        for place, models in enumerate(boosters):
            chosen = np.flatnonzero(fold == place)
            for head, model in enumerate(models):
                if model is not None and len(chosen):
                    found[chosen, head] += model.predict(values[chosen], raw_score=True, num_threads=self.num_threads)
        return found

    def _boosted(self, values: np.ndarray, place: np.ndarray) -> list[Any]:
        """One booster a reward; none where the chosen rows have but one label."""
        import lightgbm

        rows = self.material.known
        parameters = {**PARAMETERS, "num_threads": self.num_threads}
        data = lightgbm.Dataset(values[place], np.zeros(len(place)), params=parameters, free_raw_data=False).construct()
        boosters: list[Any] = []
        for head in range(len(self.material.heads)):
            labels = rows.labels[place, head]
            is_settled = np.isfinite(labels)
            if labels[is_settled].min(initial=1) == labels[is_settled].max(initial=0):
                boosters.append(None)
                continue
            data.set_label(np.nan_to_num(labels))
            data.set_weight(is_settled.astype(np.float32))
            data.set_init_score(rows.log_odds[place, head])
            boosters.append(lightgbm.train(parameters, data, self.num_trees))
        return boosters

    def importance(self, learned: AblationFit, later: np.ndarray) -> dict[str, np.ndarray]:
        """Log-odds of the later rows with one feature's values exchanged: of the column ("") and of the NEXT best."""
        values, names = _beside(self.material.later, later), FEATURE_NAMES
        best = [int(place) for place in np.argsort(-learned.importance[: len(names)])[:NEXT]]
        listens = [models[:1] for models in learned.boosters]
        found = {}
        for place in (len(names), *best):
            kept = values[:, place].copy()
            if place == len(names):
                values[:, place] = self.permuted(later, self.material.later, 2)
            else:
                values[:, place] = np.random.default_rng(2).permutation(kept)
            found["" if place == len(names) else names[place]] = self.predict(listens, values)
            values[:, place] = kept
        return found

    def permuted(self, values: np.ndarray, rows: LabelledCandidates, seed: int) -> np.ndarray:
        """A column's values [n] given to other keys of the same segment: the placebo.

        Pairs exchange within a user, users among those about as active, tracks among those about as popular, so a
        placebo has the column's values and gaps, and all that these say of the segment.
        """
        rng = np.random.default_rng(seed)
        if len(self.key) == 2:
            return _exchanged(values, rows.user, rng)
        by, code = ("user_plays", rows.user) if "user_id" in self.key else ("track_popularity", rows.track)
        _, first, place = np.unique(code, return_index=True, return_inverse=True)
        size = rows.feature(by)[first]
        segment = np.searchsorted(np.quantile(size, np.linspace(0, 1, 11)[1:-1]), size)
        return _exchanged(values[first], segment, rng)[place]


def _beside(rows: LabelledCandidates, values: np.ndarray | None) -> np.ndarray:
    return rows.dense if values is None else np.column_stack([rows.dense, values.astype(np.float32)])


def _exchanged(values: np.ndarray, segment: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The values of each segment in another order."""
    order = np.lexsort((rng.random(len(values)), segment))
    exchanged = np.empty_like(values)
    exchanged[np.lexsort((np.arange(len(values)), segment))] = values[order]
    return exchanged
