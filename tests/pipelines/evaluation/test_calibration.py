import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.evaluation.calibration import group_bins
from transforms.evaluation.metrics.metrics import METRICS


def metric_of(name: str, bins: pl.DataFrame) -> float | None:
    (metric,) = (metric for metric in METRICS if metric.name == name)
    return (group_bins(bins) if metric.over == "score groups" else bins).select(metric.value).item()


def bins_of(score: np.ndarray, label: np.ndarray) -> pl.DataFrame:
    logit = np.floor(np.log(score / (1 - score)) * 10).astype(int)
    rows = pl.DataFrame({"segment": "all", "bin": logit, "score": score, "label": label})
    return (
        rows.group_by("segment", "bin")
        .agg(
            n_rows=pl.len().cast(pl.Int64),
            n_positives=pl.col("label").sum().cast(pl.Int64),
            score=(pl.col("score") * 2**20).round().cast(pl.Int64).sum(),
        )
        .sort("segment", "bin")
    )


def test_calibration_error_and_auc_of_bins_are_close_to_those_of_rows() -> None:
    rng = np.random.default_rng(14)
    score = rng.beta(1, 9, 40_000)
    honest, proud = rng.random(40_000) < score, rng.random(40_000) < score / 2
    assert metric_of("ece", bins_of(score, honest)) < 0.01
    assert metric_of("ece", bins_of(score, proud)) == pytest.approx(0.05, abs=0.005)
    assert metric_of("auc_of_all", bins_of(score, honest)) == pytest.approx(roc_auc_score(honest, score), abs=2e-4)
    assert group_bins(bins_of(score, honest))["rows"].sum() == 40_000
    assert metric_of("auc_of_all", bins_of(score, np.zeros(40_000, dtype=bool))) is None
    assert metric_of("ece", bins_of(score[:0], honest[:0])) is None
