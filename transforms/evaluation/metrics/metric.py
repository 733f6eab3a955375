"""Metric: one measure of ranked lists, with everything that the evaluation, its report and the documents need of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from transforms.evaluation.metrics.system import System, is_any_system

# Kinds of targets. Repeats are looked for among the tracks of a list that the user had played, discoveries and late
# arrivals among the rest.
TARGET_KINDS = ("all", "repeats", "discoveries", "tail", "late")
# The kinds that tables and charts show; the others are for checks, and for readers of the report's file.
SHOWN_TARGETS = TARGET_KINDS[:3]

MetricRows = Literal["hits", "page", "list", "scored", "list exposure", "score bins", "score groups"]
MetricGroup = Literal["accuracy", "candidates", "page", "list", "ranker", "catalogue"]
ReportTable = Literal["accuracy", "candidates", "ranker", "page", "beyond accuracy"]
_ONE = pl.lit(1.0)


@dataclass(frozen=True)
class Metric:
    """One number per system: the sum over users of `value` divided by the sum of `weight`.

    Both are expressions over the rows of one user and one system. A user whose `value` is null does not count.

    over: the rows:
        hits: the targets that a list holds, with `rank` (from 0), `n_plays`, `is_exclusive` (of sources: no other
            source has it), and `total` and `total_plays` of all targets of the user. A user without any row counts as
            0: the sum is divided by the number of users with a target.
        page: the same for the page, with `shelf_position` and `track_position` (from 0).
        list: the first ten tracks of a list, with the columns of first_rows().
        scored: all candidates of a user, with the ranker's `score` and whether the user played them (`is_hit`).
        list exposure: LIST_EXPOSURE of one system with the tracks' popularity `decile` and `num_tracks` of the catalog;
            one value per system and cutoff, without weight and interval.
        score bins, score groups: SCORE_BINS of one segment, or group_bins() of these; likewise without interval.
    heading: title of its column in the report's tables; empty: the name, with spaces.
    group: heading under which documents list it.
    tables: tables of the report that show it.
    source: paper that defines it.
    higher_is_better: None where neither direction is better.
    needs: columns of the catalog; the metric is left out if one of them is empty.
    is_meaningful_for: returns whether a system is measured by it.
    is_by_segment, is_by_shelf: whether it is also measured for each segment of users, for each shelf.
    is_compared: whether the report compares all pairs of systems by it.
    """

    name: str
    over: MetricRows
    value: pl.Expr
    sentence: str
    heading: str = ""
    group: MetricGroup = "accuracy"
    tables: tuple[ReportTable, ...] = ()
    source: str = ""
    weight: pl.Expr = _ONE
    higher_is_better: bool | None = True
    needs: tuple[str, ...] = ()
    is_meaningful_for: Callable[[System], bool] = is_any_system
    is_by_segment: bool = False
    is_by_shelf: bool = False
    is_compared: bool = False

    @property
    def has_targets(self) -> bool:
        """Return whether it is measured for each kind of targets, and divided by the number of users with a target."""
        return self.over in ("hits", "page")

    @property
    def is_by_user(self) -> bool:
        """Return whether it is a mean over users, which has an interval."""
        return self.over in ("hits", "page", "list", "scored")

    @property
    def title(self) -> str:
        """Return the title of its column in a table."""
        return self.heading or self.name.replace("_", " ")

    @property
    def family(self) -> str:
        """Return the name without depth: recall for recall@100."""
        return self.name.partition("@")[0]

    @property
    def depth(self) -> int:
        """Return the depth: 100 for recall@100; 0 without one."""
        return int(self.name.partition("@")[2] or 0)


def target_total() -> pl.Expr:
    """Return the number of targets of the user whose rows are aggregated."""
    return pl.col("total").first()


def ideal_gain(gains: np.ndarray) -> pl.Expr:
    """Return the gain of the user's targets on the best positions; gains [k]: of each position, the best first."""
    sums = np.append(0.0, np.cumsum(gains))
    steps = list(range(len(sums)))
    return target_total().clip(0, len(gains)).replace_strict(steps, sums.tolist(), return_dtype=pl.Float64)


def discount_by_rank(rank: pl.Expr) -> pl.Expr:
    """Return 1 / log2(rank + 2) for ranks from 0."""
    return 1 / (rank + 2).log(2)


def exact_sum(value: pl.Expr) -> pl.Expr:
    """Return the sum in fixed point: a sum of floats depends on the order of the rows."""
    return (value * 2.0**40).round().cast(pl.Int64).sum() / 2.0**40
