"""Means with intervals from the sums of one or several cutoffs: pure arithmetic on SUMS."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.evaluation.report_data import MeanDifference
from transforms.evaluation.bootstrap import FIXED_POINT, percentile_interval
from transforms.evaluation.matched_lists import EVERYONE, SHELF_SEGMENT
from transforms.evaluation.measure_lists import USER_TOTAL, WEIGHT_PREFIX
from transforms.evaluation.metrics.metrics import METRICS
from transforms.evaluation.sums import merge_sums

_METRICS = {metric.name: metric for metric in METRICS}


class EstimateKey(NamedTuple):
    """System, metric, kind of targets (empty for metrics without) and user segment of an estimate."""

    system: str
    metric: str
    targets: str
    segment: str = EVERYONE


class Estimate(NamedTuple):
    """A mean over users, and its interval."""

    users: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimates:
    """Means, differences and their intervals, from SUMS of all cutoffs added up.

    A user counts once per cutoff with a target; the replicates draw users, with all their cutoffs.
    """

    sums: pl.DataFrame
    confidence: float

    @staticmethod
    def from_cutoffs(cutoffs: Sequence[pl.DataFrame], confidence: float) -> "Estimates":
        """Add up the SUMS of cutoffs."""
        return Estimates(merge_sums(pl.concat(cutoffs)), confidence)

    @cached_property
    def _row_of(self) -> dict[EstimateKey, int]:
        keys = self.sums.select("system", "metric", "targets", "segment")
        return {EstimateKey(*key): row for row, key in enumerate(keys.iter_rows())}

    @cached_property
    def _values(self) -> np.ndarray:
        return self.sums["values"].list.to_array(len(self.sums["values"][0])).to_numpy() / FIXED_POINT

    def keys(self) -> Iterator[EstimateKey]:
        """Yield the keys of all sums but those that others are divided by."""
        return (key for key in self._row_of if key.metric in _METRICS)

    def means(self, key: EstimateKey) -> tuple[np.ndarray, np.ndarray] | None:
        """Return mean and number of users, each plain and in every replicate [1 + R]; None if no user counts."""
        weights = self._find_sums(_divisor_of(key))
        if weights is None or not weights[0]:
            return None
        values = self._find_sums(key)
        # a replicate without any user has no mean: the plain mean is taken instead
        safe = np.where(weights > 0, weights, 1.0)
        mean = (np.zeros_like(weights) if values is None else values) / safe
        return np.where(weights > 0, mean, mean[0]), weights

    def estimate(self, key: EstimateKey) -> Estimate | None:
        """Return one mean with its interval; 0 for a list that holds no target, None if no user counts."""
        means = self.means(key)
        if means is None:
            return None
        mean, weights = means
        return Estimate(float(weights[0]), float(mean[0]), *percentile_interval(mean[1:], self.confidence))

    def difference(self, one: EstimateKey, other: EstimateKey) -> MeanDifference | None:
        """Compare two systems on the same users; None if one of them has no mean."""
        first, second = self.means(one), self.means(other)
        if first is None or second is None:
            return None
        return compare_means(first[0], second[0], self.confidence)

    def _find_sums(self, key: EstimateKey) -> np.ndarray | None:
        row = self._row_of.get(key)
        return None if row is None else self._values[row]


def _divisor_of(key: EstimateKey) -> EstimateKey:
    """Return the key of the sums that these are divided by: users with a target, or weights."""
    if not _METRICS[key.metric].has_targets:
        return key._replace(metric=WEIGHT_PREFIX + key.metric)
    segment = EVERYONE if key.segment.startswith(SHELF_SEGMENT) else key.segment
    return EstimateKey("", USER_TOTAL, key.targets, segment)


def compare_means(first: np.ndarray, second: np.ndarray, confidence: float) -> MeanDifference:
    """Compare two means given in the same replicates [1 + R]; verdict `better`: the first is higher for certain."""
    low, high = percentile_interval((first - second)[1:], confidence)
    verdict = "better" if low > 0 else "worse" if high < 0 else "no difference"
    ratio = float(first[0] / second[0]) if second[0] else None
    return MeanDifference(float(first[0] - second[0]), low, high, ratio, verdict)
