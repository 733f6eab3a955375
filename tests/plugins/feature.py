"""A feature: a digit of the track's code."""

import polars as pl

from transforms.features.feature import OF_TABLE, Feature

FEATURES = (
    Feature("toy_digit", pl.col("track") % 10, "last digit of the track's code", group="toys", freshness=OF_TABLE),
)
