"""Measure ranked lists against what was really played: sums over users that any number of buckets can add up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.evaluation.bootstrap import MAX_BLOCK_USERS, replicate_weights, sum_replicates
from transforms.evaluation.list_exposure import count_list_exposure, count_scores, sum_list_exposure, sum_score_bins
from transforms.evaluation.list_metrics import (
    EVERYONE,
    NEWCOMERS,
    MatchedLists,
    mark_pairs,
    match_lists,
    of_system,
    rows_of_evaluated_users,
    top_rows,
)
from transforms.evaluation.metrics import METRICS, Metric, metrics_over
from transforms.evaluation.schemas import LIST_EXPOSURE, PAGE, RANKER, SCORE_BINS, SUMS
from transforms.tables.buckets import CombineBuckets, Opened
from transforms.tables.hashing import mix

USER_TOTAL, WEIGHT_PREFIX = "users", "weight of "


@dataclass(eq=False)
class MeasureLists(beam.PTransform):
    """Applied to EVIDENCE of whole users; `.expand` returns (sums, exposures, score bins), one table each."""

    catalog_path: beam.PCollection
    cutoff_at: datetime
    sources: tuple[str, ...]
    num_replicates: int
    seed: int

    def expand(self, evaluation_rows: beam.PCollection) -> Any:
        """Three reductions."""
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
        list_exposure = evaluation_rows | CombineBuckets(count_list_exposure, sum_list_exposure, out=LIST_EXPOSURE)
        bins = evaluation_rows | CombineBuckets(count_scores, sum_score_bins, out=SCORE_BINS)
        return sums, list_exposure, bins


def measure_lists(
    evaluation_rows: pl.DataFrame,
    *,
    catalog: Catalog,
    cutoff_at: datetime,
    sources: tuple[str, ...],
    num_replicates: int,
    seed: int,
) -> pl.DataFrame:
    """EVIDENCE of whole users -> SUMS of this bucket, block of users by block: memory does not grow with the bucket."""
    blocks: list[pl.DataFrame] = []
    for block in _user_blocks(rows_of_evaluated_users(evaluation_rows)):
        matched = match_lists(block, catalog=catalog, sources=sources)
        weights = replicate_weights(mix(matched.users["key"].to_numpy() + np.uint64(seed)), num_replicates)
        rows = top_rows(matched, catalog=catalog, cutoff_at=cutoff_at)
        blocks.append(_as_frame(_sums(matched, rows, weights, catalog)))
    return merge_sums(pl.concat([SUMS.frame(), *blocks]))


def _user_blocks(evaluation_rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield whole users, so many at a time."""
    block = (evaluation_rows["user_id"].rank("dense") - 1) // MAX_BLOCK_USERS
    for number in block.unique().sort():
        yield evaluation_rows.filter(block == number)


# system, targets, then metric and segment [P] of the sums [P, 1 + R]
_Sums = tuple[str, str, Sequence[tuple[str, str]], np.ndarray]


def _sums(matched: MatchedLists, top: pl.DataFrame, weights: np.ndarray, catalog: Catalog) -> Iterator[_Sums]:
    """Yield the sums of every list and kind of targets; first what the targets divide by."""
    segments = _segments(matched.users)
    needs_met = {metric.name for metric in METRICS if all(catalog.has(column) for column in metric.needs)}
    yield from _sums_of_users(matched.totals, segments, weights)
    for over, rows in _sides(matched, top):
        metrics = [metric for metric in metrics_over(over) if metric.name in needs_met]
        names = _columns(metrics, over)
        by_segment = _columns([metric for metric in metrics if metric.is_by_segment], over)
        pairs = [(name, segment) for segment in segments for name in (names if segment == EVERYONE else by_segment)]
        column, members = [names.index(name) for name, _ in pairs], _members(segments, pairs)
        for (system, targets), part in _per_user(rows, metrics).partition_by("system", "targets", as_dict=True).items():
            values = np.zeros((len(weights), len(names)))
            values[part["user"].to_numpy()] = part.select(names).to_numpy()
            yield str(system), str(targets), pairs, sum_replicates(values[:, column] * members, weights)
    yield from _sums_of_shelves(matched.hits, segments[EVERYONE], weights)


def _members(segments: Mapping[str, np.ndarray], pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Which users count in each pair's segment, [U, P]."""
    return np.stack([segments[segment] for _, segment in pairs], axis=1)


def _as_frame(sums: Iterable[_Sums]) -> pl.DataFrame:
    """SUMS of them all, those of nothing left out."""
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


def _sides(matched: MatchedLists, top: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """What the metrics of each kind stand on."""
    no_targets = pl.lit("").alias("targets")
    yield "hits", matched.hits
    yield "page", of_system(matched.hits, PAGE)
    yield "list", top.with_columns(no_targets)
    targets = matched.hits.filter(pl.col("targets").cast(pl.String) == "all")
    scored = mark_pairs(of_system(matched.lists, RANKER), of_system(targets, RANKER).select("user", "track"), "is_hit")
    yield "scored", scored.with_columns(no_targets, pl.col("is_hit").sum().over("user").alias("total"))


def _per_user(rows: pl.DataFrame, metrics: Sequence[Metric]) -> pl.DataFrame:
    """Apply the entries to each user's rows; where there is no value, neither value nor weight counts."""
    values = [metric.value.cast(pl.Float64).alias(metric.name) for metric in metrics]
    weights = [metric.weight.cast(pl.Float64).alias(WEIGHT_PREFIX + metric.name) for metric in metrics]
    by_user = rows.group_by("system", "targets", "user").agg(*values, *weights)
    counted = [
        pl.when(pl.col(metric.name).is_not_null())
        .then(WEIGHT_PREFIX + metric.name)
        .otherwise(0.0)
        .alias(WEIGHT_PREFIX + metric.name)
        for metric in metrics
    ]
    return by_user.with_columns(counted).with_columns(pl.col(pl.Float64).fill_null(0.0))


def _columns(metrics: Sequence[Metric], over: str) -> list[str]:
    """The columns to add up; over hits, users without one count too, so what divides does not stand in these rows."""
    names = [metric.name for metric in metrics]
    return names if over in ("hits", "page") else [*names, *(WEIGHT_PREFIX + name for name in names)]


def _segments(users: pl.DataFrame) -> dict[str, np.ndarray]:
    """Which users stand in each segment, bool [U]; who was never heard before is in none but the newcomers."""
    is_new = (users["history"] == NEWCOMERS).to_numpy()
    segments = {EVERYONE: ~is_new, NEWCOMERS: is_new}
    for column in ("history", "genre"):
        for name in users[column].drop_nulls().unique().sort():
            segments.setdefault(name, (users[column] == name).fill_null(False).to_numpy())
    return segments


def _sums_of_users(totals: pl.DataFrame, segments: Mapping[str, np.ndarray], weights: np.ndarray) -> Iterator[_Sums]:
    pairs = [(USER_TOTAL, segment) for segment in segments]
    members = _members(segments, pairs)
    for (targets,), rows in totals.partition_by("targets", as_dict=True).items():
        has_any = np.zeros((len(weights), 1))
        has_any[rows["user"].to_numpy()] = 1
        yield "", str(targets), pairs, sum_replicates(has_any * members, weights)


def _sums_of_shelves(hits: pl.DataFrame, members: np.ndarray, weights: np.ndarray) -> Iterator[_Sums]:
    """Which part of the coming plays each shelf holds."""
    share = pl.col("n_plays").sum() / pl.col("total_plays").first()
    shares = of_system(hits, PAGE).group_by("targets", "shelf_id", "user").agg(share_of_plays=share)
    for (targets, shelf), rows in shares.partition_by("targets", "shelf_id", as_dict=True).items():
        values = np.zeros((len(weights), 1))
        values[rows["user"].to_numpy(), 0] = rows["share_of_plays"].to_numpy()
        pairs = [("share_of_plays", f"shelf: {shelf}")]
        yield PAGE, str(targets), pairs, sum_replicates(values * members[:, None], weights)


def merge_sums(sums: pl.DataFrame) -> pl.DataFrame:
    """SUMS of several tables -> SUMS of all, in order."""
    keys = ["system", "metric", "targets", "segment"]
    if sums.is_empty():
        return sums
    ordered = sums.sort(keys)
    is_first = ordered.select(pl.struct(keys).rle_id()).to_series().diff().fill_null(1).to_numpy() > 0
    stacked = ordered["values"].list.to_array(len(ordered["values"][0])).to_numpy()
    added = np.add.reduceat(stacked, np.flatnonzero(is_first), axis=0)
    return ordered.filter(pl.Series(is_first)).with_columns(pl.Series("values", added).cast(pl.List(pl.Int64)))
