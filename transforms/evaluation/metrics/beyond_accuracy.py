"""Metrics of the first ten tracks of a list that need no targets: novelty, diversity, freshness."""

from functools import partial

import numpy as np
import polars as pl

from transforms.evaluation.metrics.metric import Metric, exact_sum

FRESH_DAYS = 28
KL_SMOOTHING = 0.01
_KL_TERM = (
    pl.col("p_genre")
    * (pl.col("p_genre") / ((1 - KL_SMOOTHING) * pl.col("q_genre") + KL_SMOOTHING * pl.col("p_genre"))).log()
    + pl.col("p_genre") * np.log(KL_SMOOTHING)
) / pl.col("same_genre")


def _pair_diversity(column: str) -> pl.Expr:
    """Return the share of pairs of rows that differ; `same_<column>` counts the list's rows with the same value."""
    pairs = pl.len() * (pl.len() - 1)
    same = (pl.col(f"same_{column}") - 1).sum()
    return pl.when(pairs > 0).then(1 - same / pairs)


_ListMetric = partial(Metric, over="list", group="list", tables=("beyond accuracy",))

LIST_METRICS: tuple[Metric, ...] = (
    _ListMetric(
        "repeat_share",
        value=pl.col("is_played").mean(),
        sentence="share of the first 10 tracks that the user had played before",
        heading="repeats",
        higher_is_better=None,
    ),
    _ListMetric(
        "tail_share",
        value=(pl.col("decile") == 9).mean(),
        sentence="share of the first 10 tracks among the least played tracks, which together have a tenth of the plays",
        heading="tail",
        higher_is_better=None,
    ),
    _ListMetric(
        "fresh_share",
        value=(pl.col("days_since_release") <= FRESH_DAYS).fill_null(False).mean(),
        sentence="share of the first 10 tracks released in the four weeks before the cutoff",
        heading="fresh",
        higher_is_better=None,
        needs=("release_date",),
    ),
    _ListMetric(
        "novelty",
        value=exact_sum(pl.col("self_information")) / pl.len(),
        sentence="mean self-information of the first 10 tracks, -log2 of their share in all plays, in bits",
        heading="novelty, bits",
        source="Zhou et al., PNAS 2010",
        higher_is_better=None,
    ),
    _ListMetric(
        "artist_diversity",
        value=_pair_diversity("artist"),
        sentence="share of the pairs among the first 10 tracks that have different artists",
        source="intra-list distance, Ziegler et al., WWW 2005",
        needs=("artist",),
    ),
    _ListMetric(
        "genre_diversity",
        value=_pair_diversity("genre"),
        sentence="share of the pairs among the first 10 tracks that have different first genres",
        source="intra-list distance, Ziegler et al., WWW 2005",
        needs=("genre",),
    ),
    _ListMetric(
        "genre_kl",
        value=pl.when(pl.col("has_genres").first()).then(exact_sum(_KL_TERM.fill_null(0.0)) - np.log(KL_SMOOTHING)),
        sentence="Kullback-Leibler divergence of the first genres of the first 10 tracks from those that the user"
        " plays, in nats",
        heading="genre KL",
        source="Steck, Calibrated Recommendations, RecSys 2018, alpha 0.01",
        higher_is_better=False,
        needs=("genre",),
    ),
)
