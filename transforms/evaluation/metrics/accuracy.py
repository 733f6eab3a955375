"""Metrics of ranked lists against what users played later: recall, NDCG and their kin."""

import numpy as np
import polars as pl

from models.metrics import dcg_discount
from transforms.evaluation.metrics.metric import Metric, discount_by_rank, exact_sum, ideal_gain, target_total
from transforms.evaluation.metrics.system import CANDIDATE_DEPTH, has_candidate_lists, is_any_system, is_source

# Lists of baselines hold 100 tracks: recall at other depths is for lists of candidates.
_LIST_DEPTHS = (10, 100)
_CANDIDATE_DEPTHS = (20, 50, 200, CANDIDATE_DEPTH)
_RANK = pl.col("rank")


def _ndcg(k: int, *, in_tables: bool = False, is_compared: bool = False) -> Metric:
    gain = exact_sum(discount_by_rank(_RANK.filter(_RANK < k)))
    return Metric(
        f"ndcg@{k}",
        "hits",
        gain / ideal_gain(dcg_discount(np.arange(k))),
        f"gain of the targets among the first {k} tracks of the list, discounted by 1 / log2(rank + 2), divided by the"
        " highest possible gain",
        heading=f"NDCG@{k}",
        tables=("accuracy",) if in_tables else (),
        source="Järvelin and Kekäläinen, TOIS 2002; binary gains",
        is_by_segment=in_tables,
        is_compared=is_compared,
    )


def _recall(k: int) -> Metric:
    is_headline = k == 100
    return Metric(
        f"recall@{k}",
        "hits",
        (_RANK < k).sum() / target_total(),
        f"share of the targets among the first {k} tracks",
        group="accuracy" if k in _LIST_DEPTHS else "candidates",
        tables=("accuracy", "candidates") if is_headline else ("candidates",) if k == CANDIDATE_DEPTH else (),
        is_meaningful_for=is_any_system if k in _LIST_DEPTHS else has_candidate_lists,
        is_by_segment=is_headline,
        is_compared=is_headline or k == CANDIDATE_DEPTH,
    )


ACCURACY_METRICS = (
    _ndcg(10, in_tables=True, is_compared=True),
    _ndcg(20),
    _ndcg(100, is_compared=True),
    *map(_recall, sorted((*_LIST_DEPTHS, *_CANDIDATE_DEPTHS))),
    Metric(
        "mrr",
        "hits",
        1 / (_RANK.filter(_RANK < 100).min() + 1),
        "reciprocal rank (counted from 1) of the first target among the first 100 tracks",
    ),
    Metric(
        "hit_rate@10",
        "hits",
        (_RANK < 10).any().cast(pl.Float64),
        "share of users with a target among the first 10 tracks",
    ),
    Metric(
        "marginal_recall",
        "hits",
        pl.col("is_exclusive").sum() / target_total(),
        "share of the targets that no other source proposed",
        group="candidates",
        tables=("candidates",),
        is_meaningful_for=is_source,
    ),
)
