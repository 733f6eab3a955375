"""From the sums of one or several cutoffs to figures with intervals: pure arithmetic on SUMS."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from transforms.evaluation.bootstrap import FIXED_POINT, percentile_interval
from transforms.evaluation.list_metrics import EVERYONE
from transforms.evaluation.measure_lists import USER_TOTAL, WEIGHT_PREFIX, merge_sums
from transforms.evaluation.metrics import METRICS

_OVER = {metric.name: metric.over for metric in METRICS}


class EstimateKey(NamedTuple):
    """What a figure is of."""

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
    """Means, differences and their intervals, from SUMS of any cutoffs added up.

    A user counts once per cutoff with a target; the replicates draw users, with all their cutoffs.
    """

    sums: pl.DataFrame
    confidence: float

    @staticmethod
    def from_cutoffs(cutoffs: list[pl.DataFrame], confidence: float) -> "Estimates":
        """Add up the SUMS of cutoffs."""
        return Estimates(merge_sums(pl.concat(cutoffs)), confidence)

    @cached_property
    def _place(self) -> dict[EstimateKey, int]:
        keys = self.sums.select("system", "metric", "targets", "segment")
        return {EstimateKey(*row): place for place, row in enumerate(keys.iter_rows())}

    @cached_property
    def _values(self) -> np.ndarray:
        return self.sums["values"].list.to_array(len(self.sums["values"][0])).to_numpy() / FIXED_POINT

    def keys(self) -> Iterator[EstimateKey]:
        """Yield what there are sums of, apart from what divides them."""
        return (key for key in self._place if key.metric in _OVER)

    def means(self, key: EstimateKey) -> tuple[np.ndarray, np.ndarray] | None:
        """Return mean and number of users, each plain and in every replicate [1 + R]; None where nobody counts."""
        over = _OVER[key.metric]
        divisor = (
            EstimateKey("", USER_TOTAL, key.targets, EVERYONE if key.segment.startswith("shelf: ") else key.segment)
            if over in ("hits", "page")
            else key._replace(metric=WEIGHT_PREFIX + key.metric)
        )
        weights = self._row(divisor)
        if weights is None or not weights[0]:
            return None
        values = self._row(key)
        # in a replicate without any user nothing can be said: the plain mean stands in
        safe = np.where(weights > 0, weights, 1.0)
        mean = (np.zeros_like(weights) if values is None else values) / safe
        return np.where(weights > 0, mean, mean[0]), weights

    def figure(self, key: EstimateKey) -> Estimate | None:
        """Return one mean with its interval; 0 for a list that holds no target, None where nobody counts."""
        means = self.means(key)
        if means is None:
            return None
        mean, weights = means
        return Estimate(float(weights[0]), float(mean[0]), *percentile_interval(mean[1:], self.confidence))

    def difference(self, one: EstimateKey, other: EstimateKey) -> dict[str, Any] | None:
        """Compare two systems on the same users: the paired difference with its interval, and what it means."""
        first, second = self.means(one), self.means(other)
        if first is None or second is None:
            return None
        return compare_means(first[0], second[0], self.confidence)

    def _row(self, key: EstimateKey) -> np.ndarray | None:
        place = self._place.get(key)
        return None if place is None else self._values[place]


def compare_means(first: np.ndarray, second: np.ndarray, confidence: float) -> dict[str, Any]:
    """Compare two means given in the same replicates [1 + R]; `higher` says nothing of which is better."""
    low, high = percentile_interval((first - second)[1:], confidence)
    difference = float(first[0] - second[0])
    verdict = "better" if low > 0 else "worse" if high < 0 else "no difference"
    ratio = float(first[0] / second[0]) if second[0] else None
    return {"difference": difference, "low": low, "high": high, "ratio": ratio, "verdict": verdict}
