"""Calibration of the ranker: its scores compared with the share of candidates that were played."""

from collections.abc import Iterator, Sequence

import polars as pl

from pipelines.evaluation.report_data import CalibrationGroup, MetricValue
from transforms.evaluation.bootstrap import FIXED_POINT
from transforms.evaluation.matched_lists import EVERYONE
from transforms.evaluation.metrics.metrics import metrics_over
from transforms.evaluation.metrics.ranker import NUM_SCORE_GROUPS
from transforms.evaluation.metrics.system import RANKER
from transforms.evaluation.write_metrics import CutoffSummary


def calibration_groups(summaries: Sequence[CutoffSummary]) -> list[CalibrationGroup]:
    """Return mean score and share played by group of candidates: all, repeats and discoveries."""
    groups = group_bins(_all_bins(summaries))
    columns = ("segment", "low", "high", "rows", "mean_score", "positive_rate")
    return [CalibrationGroup(*row) for row in groups.select(columns).iter_rows()]


def calibration_values(summaries: Sequence[CutoffSummary]) -> Iterator[MetricValue]:
    """Yield the metrics of score bins, without intervals; their segments are kinds of targets."""
    bins = _all_bins(summaries)
    for (segment,), part in bins.partition_by("segment", as_dict=True, maintain_order=True).items():
        rows = {"score bins": part, "score groups": group_bins(part)}
        for metric in (*metrics_over("score bins"), *metrics_over("score groups")):
            value: float | None = rows[metric.over].select(metric.value).item()
            if value is not None:
                yield MetricValue(RANKER, metric.name, str(segment), EVERYONE, "", 0, value, None, None)


def _all_bins(summaries: Sequence[CutoffSummary]) -> pl.DataFrame:
    sums = pl.concat(summary.score_bins for summary in summaries).group_by("segment", "bin").agg(pl.all().sum())
    return sums.sort("segment", "bin")


def group_bins(bins: pl.DataFrame) -> pl.DataFrame:
    """Join neighbouring bins of each segment to groups of about equal size.

    Returns segment, group, low, high, rows, score, n_positives, mean_score, positive_rate.
    """
    middle = pl.col("n_rows").cum_sum() - pl.col("n_rows") / 2
    group = (middle * NUM_SCORE_GROUPS / pl.col("n_rows").sum()).floor().over("segment")
    mean = pl.col("score") / (FIXED_POINT * pl.col("n_rows"))
    grouped = bins.with_columns(group=group, mean=mean).group_by("segment", "group", maintain_order=True)
    sums = grouped.agg(
        pl.col("mean").min().alias("low"),
        pl.col("mean").max().alias("high"),
        pl.col("n_rows").sum().alias("rows"),
        (pl.col("score").sum() / FIXED_POINT).alias("score"),
        pl.col("n_positives").sum(),
    )
    return sums.with_columns(
        mean_score=pl.col("score") / pl.col("rows"), positive_rate=pl.col("n_positives") / pl.col("rows")
    )
