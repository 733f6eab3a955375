"""Metrics of the exposure that the lists of all users together give to the catalogue."""

from functools import partial

import polars as pl

from transforms.catalog.deep_catalogue import NUM_DECILES
from transforms.evaluation.metrics.metric import Metric

_NUM_TRACKS = pl.col("num_tracks").first()


def _gini() -> pl.Expr:
    """Return the Gini coefficient of the users who see each track; tracks that no user sees are first in the order."""
    exposure = pl.col("n_100").sort()
    rank = pl.int_range(1, pl.len() + 1) + _NUM_TRACKS - pl.len()
    return ((2 * rank - _NUM_TRACKS - 1) * exposure).sum() / (_NUM_TRACKS * exposure.sum())


def exposure_decile(decile: int) -> str:
    """Return the name of the metric that tells how much exposure a popularity decile gets."""
    return f"exposure_decile_{decile}"


_CatalogueMetric = partial(Metric, over="list exposure", group="catalogue")

CATALOGUE_METRICS: tuple[Metric, ...] = (
    _CatalogueMetric(
        "coverage@10",
        value=(pl.col("n_10") > 0).sum().truediv(_NUM_TRACKS),
        sentence="share of the catalogue that is among the first 10 tracks of any user's list",
        tables=("beyond accuracy",),
    ),
    _CatalogueMetric(
        "coverage@100",
        value=pl.len().truediv(_NUM_TRACKS),
        sentence="share of the catalogue that is among the first 100 tracks of any user's list",
        tables=("accuracy",),
    ),
    _CatalogueMetric(
        "gini@100",
        value=_gini(),
        sentence="Gini coefficient of the number of users who see each track among the first 100; 1: all see one track",
        heading="Gini@100",
        tables=("beyond accuracy",),
        higher_is_better=False,
    ),
    *(
        _CatalogueMetric(
            exposure_decile(decile),
            value=pl.col("n_100").filter(pl.col("decile") == decile).sum() / pl.col("n_100").sum(),
            sentence=f"share of the first 100 tracks of all lists in popularity decile {decile}; 0 is the head",
            higher_is_better=None,
        )
        for decile in range(NUM_DECILES)
    ),
)
