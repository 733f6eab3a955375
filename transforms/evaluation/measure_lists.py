"""Measure ranked lists against later plays: sums over users that any number of buckets can add up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.evaluation.bootstrap import MAX_BLOCK_USERS, replicate_weights, sum_replicates
from transforms.evaluation.list_exposure import count_list_exposure, sum_list_exposure
from transforms.evaluation.matched_lists import (
    EVERYONE,
    NEWCOMERS,
    SHELF_SEGMENT,
    MatchedLists,
    first_rows,
    mark_pairs,
    match_lists,
    rows_of,
    rows_of_evaluated_users,
)
from transforms.evaluation.metrics.metric import Metric, MetricRows
from transforms.evaluation.metrics.metrics import METRICS
from transforms.evaluation.metrics.system import PAGE, RANKER
from transforms.evaluation.schemas import LIST_EXPOSURE, SCORE_BINS, SUMS
from transforms.evaluation.score_bins import count_scores, sum_score_bins
from transforms.evaluation.sums import merge_sums
from transforms.tables.buckets import CombineBuckets, Opened
from transforms.tables.hashing import mix

# Metrics over targets are divided by the sums of this metric, the others by the sums of their weights.
USER_TOTAL, WEIGHT_PREFIX = "users", "weight of "


@dataclass(eq=False)
class MeasureLists(beam.PTransform):
    """Applied to EVALUATION_ROWS of whole users; `.expand` returns (sums, list exposure, score bins), a table each."""

    catalog_path: beam.PCollection
    cutoff_at: datetime
    sources: tuple[str, ...]
    num_replicates: int
    seed: int

    def expand(self, evaluation_rows: beam.PCollection) -> Any:  # Beam warns of a tuple
        """Apply three reductions."""
        catalog = Opened(self.catalog_path, open_catalog)
        sums = evaluation_rows | CombineBuckets(
            measure_lists,
            merge_sums,
            out=SUMS,
            catalog=catalog,
            cutoff_at=self.cutoff_at,
            sources=self.sources,
            num_replicates=self.num_replicates,
            seed=self.seed,
        )
        exposure = evaluation_rows | CombineBuckets(count_list_exposure, sum_list_exposure, out=LIST_EXPOSURE)
        bins = evaluation_rows | CombineBuckets(count_scores, sum_score_bins, out=SCORE_BINS)
        return sums, exposure, bins


def measure_lists(
    evaluation_rows: pl.DataFrame,
    *,
    catalog: Catalog,
    cutoff_at: datetime,
    sources: tuple[str, ...],
    num_replicates: int,
    seed: int,
) -> pl.DataFrame:
    """EVALUATION_ROWS of whole users -> SUMS, by blocks of users: memory does not grow with the bucket."""
    has_columns = [metric for metric in METRICS if all(catalog.has(column) for column in metric.needs)]
    metrics = [metric for metric in has_columns if metric.is_by_user]
    blocks: list[pl.DataFrame] = []
    for block in _user_blocks(rows_of_evaluated_users(evaluation_rows)):
        matched = match_lists(block, catalog=catalog, sources=sources)
        weights = replicate_weights(mix(matched.users["key"].to_numpy() + np.uint64(seed)), num_replicates)
        users = _BlockUsers(_segments(matched.users), weights)
        rows = _rows_of_metrics(matched, first_rows(matched, catalog=catalog, cutoff_at=cutoff_at))
        blocks.append(_as_frame(_sums(matched, rows, users, metrics)))
    return merge_sums(pl.concat([SUMS.frame(), *blocks]))


def _user_blocks(evaluation_rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows of up to MAX_BLOCK_USERS users at a time."""
    block = (evaluation_rows["user_id"].rank("dense") - 1) // MAX_BLOCK_USERS
    for number in block.unique().sort():
        yield evaluation_rows.filter(block == number)


@dataclass(frozen=True)
class _BlockUsers:
    """Users of a block: members of each segment, bool [U], and replicate weights [U, 1 + R]."""

    segments: Mapping[str, np.ndarray]
    weights: np.ndarray

    def sum_members(self, values: np.ndarray, segments: Sequence[str]) -> np.ndarray:
        """Sum values [U, P] over the members of each column's segment: int64 [P, 1 + R]."""
        members = np.stack([self.segments[segment] for segment in segments], axis=1)
        return sum_replicates(values * members, self.weights)


# system, targets, then metric and segment [P] of the sums [P, 1 + R]
_Sums = tuple[str, str, Sequence[tuple[str, str]], np.ndarray]


def _sums(
    matched: MatchedLists, rows: Mapping[MetricRows, pl.DataFrame], users: _BlockUsers, metrics: Sequence[Metric]
) -> Iterator[_Sums]:
    """Yield the sums of every list and kind of targets, and those that they are divided by."""
    yield from _user_totals(matched.totals, users)
    for over, part in rows.items():
        chosen = [metric for metric in metrics if metric.over == over]
        yield from _sums_over(part, users, chosen)
        yield from _shelf_sums(part, users, [metric for metric in chosen if metric.is_by_shelf])


def _sums_over(rows: pl.DataFrame, users: _BlockUsers, metrics: Sequence[Metric]) -> Iterator[_Sums]:
    """Yield the sums of the metrics over rows of one kind."""
    if not metrics:
        return
    names = _columns(metrics)
    by_segment = _columns([metric for metric in metrics if metric.is_by_segment])
    pairs = [(name, segment) for segment in users.segments for name in (names if segment == EVERYONE else by_segment)]
    column, segments = [names.index(name) for name, _ in pairs], [segment for _, segment in pairs]
    for (system, targets), part in _user_values(rows, metrics).partition_by("system", "targets", as_dict=True).items():
        values = np.zeros((len(users.weights), len(names)))
        values[part["user"].to_numpy()] = part.select(names).to_numpy()
        yield str(system), str(targets), pairs, users.sum_members(values[:, column], segments)


def _as_frame(sums: Iterable[_Sums]) -> pl.DataFrame:
    """Return SUMS without rows of zeros."""
    keys: list[tuple[str, str, str, str]] = []
    stacked = []
    for system, targets, pairs, values in sums:
        is_any: np.ndarray = np.any(values, axis=1)
        keys += [(system, name, targets, segment) for (name, segment), kept in zip(pairs, is_any, strict=True) if kept]
        stacked.append(values[is_any])
    if not keys:
        return SUMS.frame()
    columns = dict(zip(SUMS.names, zip(*keys, strict=True), strict=False))
    return pl.DataFrame(columns).with_columns(pl.Series("values", np.concatenate(stacked)).cast(pl.List(pl.Int64)))


def _rows_of_metrics(matched: MatchedLists, first: pl.DataFrame) -> dict[MetricRows, pl.DataFrame]:
    """Return the rows that metrics of each kind are computed from."""
    no_targets = pl.lit("").alias("targets")
    hits = rows_of(matched.hits.filter(pl.col("targets").cast(pl.String) == "all"), RANKER)
    scored = mark_pairs(rows_of(matched.lists, RANKER), hits.select("user", "track"), "is_hit")
    return {
        "hits": matched.hits,
        "page": rows_of(matched.hits, PAGE),
        "list": first.with_columns(no_targets),
        "scored": scored.with_columns(no_targets, pl.col("is_hit").sum().over("user").alias("total")),
    }


def _user_values(rows: pl.DataFrame, metrics: Sequence[Metric]) -> pl.DataFrame:
    """Compute value and weight of each user; both are 0 where there is no value."""
    values = [metric.value.cast(pl.Float64).alias(metric.name) for metric in metrics]
    weights = [metric.weight.cast(pl.Float64).alias(WEIGHT_PREFIX + metric.name) for metric in metrics]
    by_user = rows.group_by("system", "targets", "user").agg(*values, *weights)
    counted = [
        pl.when(pl.col(metric.name).is_not_null()).then(weight).otherwise(0.0).alias(weight)
        for metric in metrics
        for weight in [WEIGHT_PREFIX + metric.name]
    ]
    return by_user.with_columns(counted).with_columns(pl.col(pl.Float64).fill_null(0.0))


def _columns(metrics: Sequence[Metric]) -> list[str]:
    """Return the columns to add up: values, and the weights of metrics that are not divided by the number of users."""
    weighted = [WEIGHT_PREFIX + metric.name for metric in metrics if not metric.has_targets]
    return [*(metric.name for metric in metrics), *weighted]


def _segments(users: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return the members of each segment, bool [U]; users without a history are in the segment of newcomers only."""
    is_new = (users["history"] == NEWCOMERS).to_numpy()
    segments = {EVERYONE: ~is_new, NEWCOMERS: is_new}
    for column in ("history", "genre"):
        for name in users[column].drop_nulls().unique().sort():
            segments.setdefault(name, (users[column] == name).fill_null(False).to_numpy())
    return segments


def _user_totals(totals: pl.DataFrame, users: _BlockUsers) -> Iterator[_Sums]:
    """Yield the number of users with a target of each kind, by segment."""
    pairs = [(USER_TOTAL, segment) for segment in users.segments]
    for (targets,), rows in totals.partition_by("targets", as_dict=True).items():
        has_any = np.zeros((len(users.weights), 1))
        has_any[rows["user"].to_numpy()] = 1
        yield "", str(targets), pairs, users.sum_members(has_any, list(users.segments))


def _shelf_sums(rows: pl.DataFrame, users: _BlockUsers, metrics: Sequence[Metric]) -> Iterator[_Sums]:
    """Yield the sums of the metrics over the rows of each shelf alone."""
    keys = ["system", "targets", "shelf_id"]
    for metric in metrics:
        by_user = rows.group_by(*keys, "user").agg(value=metric.value)
        for (system, targets, shelf), part in by_user.partition_by(keys, as_dict=True).items():
            values = np.zeros((len(users.weights), 1))
            values[part["user"].to_numpy(), 0] = part["value"].to_numpy()
            pairs = [(metric.name, f"{SHELF_SEGMENT}{shelf}")]
            yield str(system), str(targets), pairs, users.sum_members(values, [EVERYONE])
