"""A metric: the number of targets that a list holds."""

import polars as pl

from transforms.evaluation.metrics.metric import Metric

METRICS = (
    Metric("toy_hits", "hits", pl.len().cast(pl.Float64), "targets on the list", "toy hits", tables=("accuracy",)),
)
