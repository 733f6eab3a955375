"""Metrics of the ranker's scores on its candidates: order, likelihood and calibration."""

from functools import partial

import numpy as np
import polars as pl

from models.metrics import dcg_discount
from transforms.evaluation.metrics.metric import Metric, discount_by_rank, exact_sum, ideal_gain, target_total
from transforms.evaluation.metrics.system import is_ranker

# Neighbouring score bins are joined to this many groups with about the same number of candidates.
NUM_SCORE_GROUPS = 15


def _user_auc() -> pl.Expr:
    """Return the Mann-Whitney statistic of one user's candidates, ties counted half."""
    positives = pl.col("is_hit").sum()
    ranks = pl.col("score").rank("average").filter(pl.col("is_hit")).sum()
    pairs = positives * (pl.len() - positives)
    return pl.when(pairs > 0).then((ranks - positives * (positives + 1) / 2) / pairs)


def _log_loss() -> pl.Expr:
    p = pl.col("score").cast(pl.Float64).clip(1e-7, 1 - 1e-7)
    return -pl.when("is_hit").then(p.log()).otherwise((1 - p).log())


def _binned_auc() -> pl.Expr:
    """Return the area under the ROC curve of score bins, ties within a bin counted half; null with one class only."""
    negatives = pl.col("n_rows") - pl.col("n_positives")
    below = negatives.cum_sum() - negatives / 2
    pairs = pl.col("n_positives").sum() * negatives.sum()
    return pl.when(pairs > 0).then((pl.col("n_positives") * below).sum() / pairs)


def _calibration_error() -> pl.Expr:
    """Return the expected calibration error of score groups; null without any."""
    distance = (pl.col("mean_score") - pl.col("positive_rate")).abs()
    return pl.when(pl.len() > 0).then((distance * pl.col("rows")).sum() / pl.col("rows").sum())


_RankerMetric = partial(Metric, group="ranker", tables=("ranker",), is_meaningful_for=is_ranker)


def _ndcg_within(k: int) -> Metric:
    rank = pl.col("rank")
    gain = exact_sum(discount_by_rank(rank.filter((rank < k) & pl.col("is_hit")))) / ideal_gain(
        dcg_discount(np.arange(k))
    )
    return _RankerMetric(
        f"ndcg_within@{k}",
        "scored",
        pl.when(target_total() > 0).then(gain),
        f"gain of the targets among the first {k} tracks of the candidates in the ranker's order, discounted by"
        " 1 / log2(rank + 2), divided by the highest possible gain with the targets among the candidates",
        heading=f"NDCG@{k} of candidates",
        source="Järvelin and Kekäläinen, TOIS 2002; binary gains",
    )


RANKER_METRICS: tuple[Metric, ...] = (
    _RankerMetric(
        "auc",
        "scored",
        _user_auc(),
        "probability that a candidate that was played scores above one that was not, mean over users",
        heading="AUC, mean over users",
        source="gAUC: Zhu et al., KDD 2017, unweighted",
    ),
    _RankerMetric(
        "auc_of_all",
        "score bins",
        _binned_auc(),
        "probability that a candidate that was played scores above one that was not, over the candidates of all users",
        heading="AUC of all candidates",
    ),
    _RankerMetric(
        "log_loss",
        "scored",
        exact_sum(_log_loss()),
        "mean binary cross-entropy of the scores of all candidates, in nats",
        heading="log loss",
        weight=pl.len().cast(pl.Float64),
        higher_is_better=False,
    ),
    _RankerMetric(
        "ece",
        "score groups",
        _calibration_error(),
        f"expected calibration error: mean distance between score and share played, over {NUM_SCORE_GROUPS} groups of"
        " candidates of about equal size",
        heading="calibration error",
        source="Naeini et al., AAAI 2015",
        higher_is_better=False,
    ),
    _ndcg_within(10),
    _ndcg_within(20),
)
