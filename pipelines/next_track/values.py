"""Means and differences of an evaluation of the next track, from its sums."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from transforms.evaluation.bootstrap import FIXED_POINT
from transforms.evaluation.next_track.measure_next_tracks import CASES


@dataclass(frozen=True)
class NextTrackValues:
    """Means over plays from SUMS, each plain and in every replicate of users [1 + R]."""

    sums: pl.DataFrame

    @cached_property
    def _sum_of(self) -> dict[tuple[str, ...], np.ndarray]:
        keys = self.sums.select("system", "metric", "targets", "segment").iter_rows()
        values = self.sums["values"].to_list()
        return {key: np.array(one) / FIXED_POINT for key, one in zip(keys, values, strict=True)}

    def num_cases(self, targets: str, segment: str) -> int:
        """Return the number of plays of a kind in a segment."""
        found = self._sum_of.get(("", CASES, targets, segment))
        return 0 if found is None else round(found[0])

    def mean(self, system: str, metric: str, targets: str, segment: str) -> np.ndarray:
        """Return a mean; where a replicate has no play, the plain mean; 0 without any play."""
        if not self.num_cases(targets, segment):
            return np.zeros(1)
        cases = self._sum_of["", CASES, targets, segment]
        values = self._sum_of[system, metric, targets, segment]
        return np.where(cases > 0, values / np.where(cases > 0, cases, 1.0), values[0] / cases[0])
