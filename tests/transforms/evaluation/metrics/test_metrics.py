"""The contract of metrics: every entry equals a plain loop, and says what readers of the report need."""

from collections.abc import Iterator
from typing import NamedTuple, get_args

import polars as pl
import pytest

from pipelines.evaluation.calibration import group_bins
from pipelines.evaluation.estimates import EstimateKey, Estimates
from tests.transforms.evaluation.random_lists import (
    SOURCES,
    SYSTEMS,
    Plain,
    binned,
    catalog,
    random_evaluation_rows,
)
from tests.worlds import AS_OF
from transforms.evaluation.list_exposure import count_list_exposure, summarize_catalogue
from transforms.evaluation.matched_lists import EVERYONE, NEWCOMERS
from transforms.evaluation.measure_lists import measure_lists
from transforms.evaluation.metrics.metric import TARGET_KINDS, Metric, MetricGroup, ReportTable
from transforms.evaluation.metrics.metrics import METRICS
from transforms.evaluation.metrics.system import System
from transforms.evaluation.score_bins import count_scores
from transforms.evaluation.write_metrics import catalog_tracks


class Measured(NamedTuple):
    """Random lists, measured by the stages and by plain loops."""

    estimates: Estimates
    catalogue: dict[tuple[str, str], float]
    bins: pl.DataFrame
    plain: Plain


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[Measured]:
    tracks = catalog(tmp_path_factory.mktemp("catalog"))
    found = []
    for seed in range(3):
        rows = random_evaluation_rows(seed)
        sums = measure_lists(rows, catalog=tracks, cutoff_at=AS_OF, sources=SOURCES, num_replicates=20, seed=1)
        catalogue = summarize_catalogue(count_list_exposure(rows), catalog_tracks(tracks, AS_OF))
        values = {(system, metric): value for system, metric, value in catalogue.iter_rows()}
        found.append(Measured(Estimates(sums, 0.95), values, count_scores(rows), Plain(rows, tracks)))
    return found


def keys_of(metric: Metric) -> Iterator[tuple[str, str, str]]:
    """Every system that the metric is meaningful for, with kinds of targets and segments."""
    systems = [System(name, "source" if name in SOURCES else "ours") for name in SYSTEMS]
    for system in filter(metric.is_meaningful_for, systems):
        for targets in TARGET_KINDS if metric.has_targets else [""]:
            for segment in (EVERYONE, NEWCOMERS) if metric.is_by_segment else [EVERYONE]:
                yield system.name, targets, segment


def pairs_of(metric: Metric, one: Measured) -> Iterator[tuple[float | None, float | None]]:
    """The metric as the stages measure it and by plain loops."""
    if metric.is_by_user:
        for system, targets, segment in keys_of(metric):
            estimate = one.estimates.estimate(EstimateKey(system, metric.name, targets, segment))
            users = [
                user
                for user in one.plain.users
                if bool(one.plain.marks["played_before"][user]) == (segment == EVERYONE)
            ]
            yield estimate and estimate.value, one.plain.figure(metric, system, targets, users)
    elif metric.over == "list exposure":
        for system in SYSTEMS:
            yield one.catalogue[system, metric.name], one.plain.exposure(metric.name, system)
    else:
        for segment in ("all", "repeats", "discoveries"):
            bins = one.bins.filter(pl.col("segment") == segment)
            rows = group_bins(bins) if metric.over == "score groups" else bins
            yield rows.select(metric.value).item(), binned(metric.name, rows.to_dicts())


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_equals_its_plain_loop(metric: Metric, measured: list[Measured]) -> None:
    pairs = [pair for one in measured for pair in pairs_of(metric, one)]
    for found, expected in pairs:
        assert found == pytest.approx(expected, abs=5e-6)
    assert len([expected for _, expected in pairs if expected is not None]) >= 3


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_says_what_readers_need(metric: Metric) -> None:
    assert [other.name for other in METRICS].count(metric.name) == 1
    assert metric.sentence and not metric.sentence.endswith(".")
    assert metric.title and metric.group in get_args(MetricGroup) and set(metric.tables) <= set(get_args(ReportTable))
    assert metric.family + (f"@{metric.depth}" if metric.depth else "") == metric.name
    assert metric.has_targets or not (metric.is_by_segment or metric.is_by_shelf or metric.is_compared)


def test_the_report_has_room_for_every_group_and_table() -> None:
    assert {metric.group for metric in METRICS} == set(get_args(MetricGroup))
    assert {table for metric in METRICS for table in metric.tables} == set(get_args(ReportTable))
