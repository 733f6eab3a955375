"""Sum the metrics of users up to every daily look, by arm: exact sums that workers add up in any order."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from transforms.experiments.inference.estimates import SUM_NAMES, VALUES
from transforms.experiments.readout.readout_metric import DAYS, ReadoutMetric
from transforms.experiments.readout.readout_metrics import DECILES, READOUT_METRICS
from transforms.experiments.readout.schemas import ARM_SUMS
from transforms.experiments.readout.user_days import BEFORE
from transforms.tables.buckets import CombineBuckets, Opened, open_frame
from transforms.tables.columns import Column, Schema

ALL, NEW, RETURNING, CAPPED = "all", "new", "returning", "capped"
# Totals of users above this share of all users are cut to it, to see how much hangs on them.
CAPPED_SHARE = 0.999
# Totals are counted in classes a sixteenth of an octave wide.
_CLASSES_PER_OCTAVE = 16
TOTALS = Schema(
    "totals",
    (
        Column("metric", pa.string(), "name of the metric"),
        Column("size", pa.int16(), "class of the users' totals up to the last look"),
        Column("n", pa.int64(), "users"),
    ),
)


@dataclass(frozen=True)
class Looks:
    """The daily looks at an experiment: look i is at the end of day i since the start.

    num_looks: complete days so far. covariate_days: days before the exposure that a covariate sums up.
    """

    starts_at: datetime
    num_looks: int
    covariate_days: int

    def days_exposed(self, exposed_at: pl.Series) -> np.ndarray:
        """Return the whole days since the exposure of each user at each look: int64 [U, looks], 0 before it."""
        behind = (exposed_at - self.starts_at).dt.total_microseconds().to_numpy()
        day = timedelta(days=1) // timedelta(microseconds=1)
        ends = (np.arange(self.num_looks) + 1) * day
        return np.maximum((ends[None, :] - behind[:, None]) // day, 0)


@dataclass(eq=False)
class SumLooks(beam.PTransform):
    """Sum USER_DAYS: one ARM_SUMS table of all users."""

    looks: Looks

    def expand(self, user_days: beam.PCollection) -> beam.PCollection:
        """Count the users' totals, which tells where to cut, then sum."""
        totals = user_days | CombineBuckets(count_totals, sum_totals, out=TOTALS, looks=self.looks)
        return user_days | CombineBuckets(
            sum_looks, add_sums, out=ARM_SUMS, looks=self.looks, totals=Opened(totals, open_frame)
        )


def sum_looks(user_days: pl.DataFrame, *, looks: Looks, totals: pl.DataFrame) -> pl.DataFrame:
    """USER_DAYS of whole users -> ARM_SUMS: of all users at every look, of segments at the last.

    totals: TOTALS of all users.
    """
    users, caps = _Users(user_days, looks), find_caps(totals)
    tables = [_sums_of(users, metric, caps.get(metric.name)) for metric in READOUT_METRICS]
    return pl.concat([ARM_SUMS.frame(), *tables])


def add_sums(sums: pl.DataFrame) -> pl.DataFrame:
    """Add ARM_SUMS of several buckets up."""
    keys = [name for name in ARM_SUMS.names if name not in SUM_NAMES]
    return sums.group_by(keys).agg(pl.col(SUM_NAMES).sum()).sort(keys)


def count_totals(user_days: pl.DataFrame, *, looks: Looks) -> pl.DataFrame:
    """Count the users of each class of totals up to the last look: USER_DAYS -> TOTALS."""
    users, counted = _Users(user_days, looks), []
    if not looks.num_looks:
        return TOTALS.frame()
    for metric in READOUT_METRICS:
        last = users.values(metric, looks.num_looks - 1)
        total = np.maximum(last[last[:, 0] > 0, 1], 0)
        size = np.floor(np.log2(1.0 + total) * _CLASSES_PER_OCTAVE).astype(np.int16)
        found, n = np.unique(size, return_counts=True)
        counted.append(pl.DataFrame({"metric": metric.name, "size": found, "n": n}, schema=TOTALS.frame().schema))
    return pl.concat(counted)


def sum_totals(totals: pl.DataFrame) -> pl.DataFrame:
    """Add TOTALS of several buckets up."""
    return totals.group_by("metric", "size").agg(pl.col("n").sum()).sort("metric", "size")


def find_caps(totals: pl.DataFrame) -> dict[str, int]:
    """Return for each metric the total that CAPPED_SHARE of the users do not exceed, at the upper end of its class."""
    below = pl.col("n").cum_sum().over("metric") / pl.col("n").sum().over("metric")
    chosen = totals.sort("metric", "size").filter(below >= CAPPED_SHARE).group_by("metric").agg(pl.col("size").min())
    return {name: int(2 ** ((size + 1) / _CLASSES_PER_OCTAVE) - 1) for name, size in chosen.rows()}


class _Users:
    """The users of a bucket, and their counts by day."""

    def __init__(self, user_days: pl.DataFrame, looks: Looks) -> None:
        self.looks = looks
        self.rows = user_days.with_columns(user=pl.col("user_id").rank("dense") - 1)
        self.users = self.rows.filter(pl.col("day") == BEFORE).sort("user")
        self.exposed = looks.days_exposed(self.users["exposed_at"])

    @cached_property
    def arm(self) -> np.ndarray:
        """Return the arm of each user."""
        return self.users["arm"].to_numpy()

    def values(self, metric: ReadoutMetric, look: int) -> np.ndarray:
        """Return the five VALUES of each user up to a look: int64 [U, 5]; zeros of users who do not count yet."""
        settled = np.maximum(self.exposed[:, look] - metric.delay_days, 0)
        y, m = (self._total(name, settled) for name in (metric.value, metric.per))
        if metric.merit is not None:
            p, q = (self._total(name, settled) for name in metric.merit)
        else:
            p, q = (self._before(name, metric) for name in (metric.value, metric.per))
        values = np.stack([np.ones_like(y), y, m, p, q], axis=1)
        values[settled == 0] = 0
        return values

    def _total(self, name: str, settled: np.ndarray) -> np.ndarray:
        """Return the sum of a column over the first days of each user."""
        if name == DAYS:
            return settled
        return np.take_along_axis(self._cumulated(name), settled[:, None], axis=1)[:, 0]

    def _cumulated(self, name: str) -> np.ndarray:
        """Return the sums of a column up to each day: int64 [U, 1 + days]."""
        if name not in self._sums:
            since = self.rows.filter(pl.col("day").is_between(0, self.looks.num_looks - 1))
            by_day = np.zeros((len(self.users), 1 + self.looks.num_looks), dtype=np.int64)
            by_day[since["user"].to_numpy(), since["day"].to_numpy() + 1] = since[name].to_numpy()
            self._sums[name] = np.cumsum(by_day, axis=1)
        return self._sums[name]

    @cached_property
    def _sums(self) -> dict[str, np.ndarray]:
        return {}

    def _before(self, name: str, metric: ReadoutMetric) -> np.ndarray:
        """Return a column before the exposure; of metrics that are settled later, it would be of the time after."""
        if metric.delay_days:
            return np.zeros(len(self.users), dtype=np.int64)
        if name == DAYS:
            return np.full(len(self.users), self.looks.covariate_days, dtype=np.int64)
        return self.users[name].to_numpy()


def _sums_of(users: _Users, metric: ReadoutMetric, cap: int | None) -> pl.DataFrame:
    """Return ARM_SUMS of one metric."""
    rows: list[tuple[object, ...]] = []
    first = max(users.looks.num_looks - 1, 0) if metric in DECILES else 0
    for look in range(first, users.looks.num_looks):
        values = users.values(metric, look)
        rows += _rows(metric.name, ALL, look, values, users.arm)
    if users.looks.num_looks:
        is_new = users.users["is_new"].to_numpy()
        for segment, part in ((NEW, is_new), (RETURNING, ~is_new)):
            rows += _rows(metric.name, segment, look, values[part], users.arm[part])
        capped = values.copy()
        capped[:, 1] = values[:, 1] if cap is None else np.minimum(values[:, 1], cap)
        rows += _rows(metric.name, CAPPED, look, capped, users.arm)
    return pl.DataFrame(rows, schema=ARM_SUMS.frame().schema, orient="row")


def _rows(metric: str, segment: str, look: int, values: np.ndarray, arms: np.ndarray) -> Iterator[tuple[object, ...]]:
    """Yield the sums of each arm that has users."""
    upper = np.triu_indices(len(VALUES) - 1)
    for arm in np.unique(arms):
        own = values[arms == arm]
        products = (own[:, 1:].T @ own[:, 1:])[upper]
        yield metric, segment, look, int(arm), *own.sum(axis=0).tolist(), *products.tolist()
