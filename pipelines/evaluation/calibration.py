"""Calibration of the ranker from its score bins: whether what it calls probable comes true that often."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from transforms.evaluation.bootstrap import FIXED_POINT
from transforms.evaluation.list_metrics import EVERYONE
from transforms.evaluation.schemas import RANKER

# Bins of scores are joined to so many groups of about as many candidates.
NUM_CALIBRATION_GROUPS = 15
BIN_METRICS = {
    "ece": {
        "group": "ranker",
        "sentence": "expected calibration error: mean distance of score and share played, over"
        f" {NUM_CALIBRATION_GROUPS} groups of candidates of about equal number",
        "source": "Naeini et al., AAAI 2015",
        "higher_is_better": False,
    },
    "auc_of_all": {
        "group": "ranker",
        "sentence": "chance that a candidate that was played scores above one that was not, of whichever users",
        "source": "",
        "higher_is_better": True,
    },
}


def calibration_groups(abouts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return mean score and share played by group of candidates: all, those the user knew, and the others."""
    groups = group_bins(_bins(abouts))
    columns = ("segment", "low", "high", "rows", "mean_score", "positive_rate")
    return groups.select(columns).to_dicts()


def calibration_values(abouts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the metrics that stand on bins and not on users: without intervals."""
    bins = _bins(abouts)
    values = []
    for (segment,), part in bins.partition_by("segment", as_dict=True, maintain_order=True).items():
        figures = {"ece": calibration_error(group_bins(part)), "auc_of_all": auc_of_bins(part)}
        for metric, value in figures.items():
            shared = {"system": RANKER, "metric": metric, "targets": segment, "segment": EVERYONE, "cutoff": ""}
            if value is not None:
                values.append({**shared, "users": 0, "value": value, "low": None, "high": None})
    return values


def _bins(abouts: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    kinds = {"segment": pl.String, "bin": pl.Int64, "n_rows": pl.Int64, "n_positives": pl.Int64, "score": pl.Int64}
    rows = [row for about in abouts for row in about["score_bins"]]
    sums = pl.DataFrame(rows, schema=kinds).group_by("segment", "bin").agg(pl.all().sum())
    return sums.sort("segment", "bin")


def group_bins(bins: pl.DataFrame) -> pl.DataFrame:
    """Join neighbouring bins of each segment to groups of about equal size."""
    middle = pl.col("n_rows").cum_sum() - pl.col("n_rows") / 2
    group = (middle * NUM_CALIBRATION_GROUPS / pl.col("n_rows").sum()).floor().over("segment")
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


def calibration_error(groups: pl.DataFrame) -> float | None:
    """Return the expected calibration error of the groups of one segment; None without rows."""
    distance = (pl.col("mean_score") - pl.col("positive_rate")).abs()
    return groups.select((distance * pl.col("rows")).sum() / pl.col("rows").sum()).item() if len(groups) else None


def auc_of_bins(bins: pl.DataFrame) -> float | None:
    """Return the area under the ROC curve of the bins of one segment, ties within a bin half; None for one class."""
    negatives = pl.col("n_rows") - pl.col("n_positives")
    below = negatives.cum_sum() - negatives / 2
    pairs = bins.select(pl.col("n_positives").sum() * negatives.sum()).item() if len(bins) else 0
    return bins.select((pl.col("n_positives") * below).sum() / pairs).item() if pairs else None
