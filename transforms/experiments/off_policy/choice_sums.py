"""Sums over logged choices: added up table by table, and read by statistic and place."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from transforms.evaluation.bootstrap import FIXED_POINT
from transforms.experiments.off_policy.statistics import LARGEST

# Sums that are of no place on the page.
WHOLE_PAGE = -1
BY_SHELF, MISSING, ALL_CHOICES, NUM_USERS = "ratio alone by shelf", "without propensity", "all choices", "users"
_KEYS = ["statistic", "shelf_id", "shelf_position", "position", "fold"]
# Of a place: shelf position, position (-1: the choice of the shelf).
Place = tuple[int, int]


def merge_choice_sums(sums: pl.DataFrame) -> pl.DataFrame:
    """CHOICE_SUMS of several tables -> those of all, sorted; of the largest weights the largest."""
    if sums.is_empty():
        return sums
    merged = []
    for _, part in sums.group_by(pl.col("values").list.len(), pl.col("statistic") == LARGEST):
        ordered = part.sort(_KEYS)
        starts = ordered.select(pl.struct(_KEYS).rle_id().is_first_distinct().arg_true()).to_series()
        stacked = ordered["values"].list.to_array(len(ordered["values"][0])).to_numpy()
        add = np.maximum if ordered["statistic"][0] == LARGEST else np.add
        added = pl.Series("values", add.reduceat(stacked, starts.to_numpy(), axis=0))
        merged.append(ordered[starts].with_columns(added.cast(pl.List(pl.Int64))))
    return pl.concat(merged).sort(_KEYS)


@dataclass(frozen=True)
class ChoiceSums:
    """CHOICE_SUMS by statistic, place and fold, in units of the statistic."""

    table: pl.DataFrame

    @cached_property
    def _index(self) -> dict[tuple[str, Place, int], np.ndarray]:
        rows = self.table.filter(pl.col("shelf_id").is_null())
        return {
            (name, (shelf, position), fold): np.array(values) / FIXED_POINT
            for name, _, shelf, position, fold, values in rows.iter_rows()
        }

    @cached_property
    def places(self) -> list[Place]:
        """The places of the logged choices, in order."""
        return sorted({place for _, place, _ in self._index if place[0] != WHOLE_PAGE})

    @property
    def cards(self) -> list[Place]:
        """The places of tracks, in order."""
        return [place for place in self.places if place[1] >= 0]

    def of(self, statistic: str, place: Place, fold: int | None = None) -> np.ndarray:
        """Return the sum at a place, of one half of the users or of all: float64 [1] or [1 + R]."""
        folds = (0, 1) if fold is None else (fold,)
        found = [self._index[statistic, place, one] for one in folds if (statistic, place, one) in self._index]
        return np.sum(found, axis=0) if found else np.zeros(1)

    def of_page(self, statistic: str) -> np.ndarray:
        """Return the sum over pages, float64 [1] or [1 + R]."""
        return self.of(statistic, (WHOLE_PAGE, WHOLE_PAGE))

    @cached_property
    def by_shelf(self) -> Mapping[str, np.ndarray]:
        """Sums by shelf: float64 [1 + R]."""
        rows = self.table.filter(pl.col("shelf_id").is_not_null()).select("shelf_id", "values")
        return {name: np.array(values) / FIXED_POINT for name, values in rows.iter_rows()}

    def prefix_weight(self, place: Place, clip: str = "") -> np.ndarray:
        """Return the sum over all pages of the weight of the choices down to a place; ended pages keep their last."""
        shelf, position = place
        above = [(one, -1) for one in range(shelf + 1)]
        before = [(shelf, one) for one in range(position + 1)]
        gains = [self.of(f"gain{clip}", one) for one in (*above, *before)]
        requests = self.of_page("requests")
        plain = requests[:1] if clip else requests
        return np.asarray(plain + np.sum(gains, axis=0))
