"""All measurements of one new column: coverage, drift, leaks, and what the ablation gains by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.signals.ablation import AblationFit, FeatureAblation, most_important_features
from pipelines.signals.dataset import LabelledCandidates, SignalDataset
from pipelines.signals.gains import (
    ALL_CANDIDATES,
    Arms,
    Gain,
    GainEvaluator,
    RewardGain,
    SegmentGain,
    reward_gains,
    segment_gains,
)
from pipelines.signals.leaks import Discontinuity, key_codes, measure_discontinuity, univariate_auc
from transforms.tables.histograms import count_values, histogram_mapping, stability_index

# The feature that the ranker starts from. It is often the run's best alone, but boosting from the ranker ignores it.
_FIRST_STAGE_FEATURE = "blend_score"
TRAINING, VALIDATION, SCORING = "training", "validation", "scoring"


class ColumnValues(NamedTuple):
    """Values of a column for the training rows, the validation rows and the scored candidates; NaN: missing."""

    train: np.ndarray
    validation: np.ndarray
    scored: np.ndarray


class FeatureAuc(NamedTuple):
    """A feature of the run, and the AUC of listens by it alone."""

    feature: str
    auc: float


class FeatureImportance(NamedTuple):
    """Likelihood of listens that permuting a feature's values costs; feature None: the new column."""

    feature: str | None
    cost: Gain


@dataclass(frozen=True)
class ColumnFindings:
    """The measurements of one column.

    coverage: share of candidates with a value, by moment.
    drift: stability index of the values from training to scoring; None: nothing to compare.
    auc_alone: AUC of listens by the column alone. best_alone: the run's best feature by the same measure.
    discontinuities: results of the leak test, by moment.
    rewards: gain of likelihood in each reward, and at last in all by weight.
    segments: gain of NDCG@10, in segments with enough users.
    importance: the column and the run's most important features, the costliest first.
    is_timed: whether the table says when each value was learned.
    """

    column: str
    coverage: Mapping[str, float]
    drift: float | None
    auc_alone: float
    best_alone: FeatureAuc
    discontinuities: Mapping[str, Discontinuity]
    rewards: Sequence[RewardGain]
    segments: Sequence[SegmentGain]
    importance: Sequence[FeatureImportance]
    is_timed: bool

    @property
    def total(self) -> RewardGain:
        """Return the gain in all rewards by weight."""
        return self.rewards[-1]

    @property
    def ndcg(self) -> SegmentGain | None:
        """Return the gain of NDCG among all candidates; None: too few users."""
        return next((one for one in self.segments if one.segment == ALL_CANDIDATES), None)


@dataclass(frozen=True)
class SignalStudy:
    """Measures columns of one table on one dataset; the arm without a column is trained once."""

    ablation: FeatureAblation
    is_timed: bool

    @cached_property
    def without(self) -> AblationFit:
        """Return the fit without a new column."""
        return self.ablation.fit()

    @cached_property
    def evaluator(self) -> GainEvaluator:
        """Return the evaluator of the validation rows."""
        return GainEvaluator(self.dataset.validation, by_tracks="user_id" not in self.ablation.key)

    @property
    def dataset(self) -> SignalDataset:
        """Return the dataset on which columns are measured."""
        return self.ablation.dataset

    def measure(self, column: str, values: ColumnValues) -> ColumnFindings:
        """Return the findings on one column."""
        fit, validation = self.ablation.fit(values.train, values.validation), self.dataset.validation
        log_odds = Arms(self.without.log_odds, fit.log_odds, self._fit_placebo(values).log_odds)
        features = (_FIRST_STAGE_FEATURE, *most_important_features(self.without))
        aucs = (FeatureAuc(name, univariate_auc(validation.feature(name), validation)) for name in features)
        return ColumnFindings(
            column=column,
            coverage=_coverage(values),
            drift=_drift(values.train, values.scored),
            auc_alone=univariate_auc(values.validation, validation),
            best_alone=max(aucs, key=lambda one: one.auc),
            discontinuities={
                TRAINING: self._discontinuity(values.train, self.dataset.train),
                VALIDATION: self._discontinuity(values.validation, validation),
            },
            rewards=reward_gains(self.evaluator, log_odds),
            segments=segment_gains(self.evaluator, log_odds, values.validation),
            importance=self._importance(fit, values.validation),
            is_timed=self.is_timed,
        )

    def _fit_placebo(self, values: ColumnValues) -> AblationFit:
        train = self.ablation.placebo(values.train, self.dataset.train, seed=1)
        validation = self.ablation.placebo(values.validation, self.dataset.validation, seed=2)
        return self.ablation.fit(train, validation)

    def _discontinuity(self, values: np.ndarray, rows: LabelledCandidates) -> Discontinuity:
        return measure_discontinuity(values, rows, key_codes(rows, self.ablation.key))

    def _importance(self, fit: AblationFit, validation: np.ndarray) -> list[FeatureImportance]:
        """Return what permuting the column, or one of the run's best features, costs in likelihood of listens."""
        evaluator, head = self.evaluator, self.dataset.validation.listen_head
        nats = evaluator.likelihoods(fit.log_odds)[:, head]
        explained = float(evaluator.explained(self.without.log_odds)[head])
        permuted = self.ablation.permuted_predictions(fit, validation)
        costs = [
            FeatureImportance(
                name, evaluator.likelihood_gain(nats, evaluator.likelihoods(log_odds)[:, head], explained)
            )
            for name, log_odds in permuted.items()
        ]
        return sorted(costs, key=lambda one: -one.cost.value)


def _coverage(values: ColumnValues) -> dict[str, float]:
    """Return the share of candidates with a value, for each moment that has candidates."""
    moments = zip((TRAINING, VALIDATION, SCORING), values, strict=True)
    return {name: float(np.isfinite(one).mean()) for name, one in moments if len(one)}


def _drift(train: np.ndarray, scored: np.ndarray) -> float | None:
    """Return the stability index of the values from training to scoring; None: no values to compare."""
    if not (np.isfinite(train).any() and np.isfinite(scored).any()):
        return None
    then, now = (
        histogram_mapping(count_values(pl.DataFrame({"value": values[np.isfinite(values)]}), names=["value"]))["value"]
        for values in (train, scored)
    )
    return stability_index(then, now)
