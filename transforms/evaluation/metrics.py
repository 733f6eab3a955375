"""METRICS: what is measured of ranked lists, user by user. Adding one is one entry.

A metric is the sum over users of `value` over that of `weight`, two expressions over the rows of one user; where
`value` is null the user does not count.

over "hits": the targets that a list holds, with their `place` on it (from 0), `n_plays`, and `total` and `total_plays`
    of the user's targets. A user whom a list fails has no row, and counts as 0.
over "page": the same of the page, with `row` and `column`.
over "list": the first ten places of a list.
over "scored": all candidates of a user with the ranker's `score` and whether they were played (`is_hit`).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.metrics import dcg_discount
from transforms.evaluation.bootstrap import FIXED_POINT

LIST_LENGTH = 10
# Targets of these kinds are judged on these lists: repeats on what of the list the user knew, discoveries on the rest.
TARGET_KINDS = ("all", "repeats", "discoveries", "tail", "late")
# Recall of candidates; lists of baselines are 100 long.
RECALL_DEPTHS = (10, 20, 50, 100, 200, 500)
FRESH_DAYS = 28
KL_SMOOTHING = 0.01
_ONE = pl.lit(1.0)


@dataclass(frozen=True)
class Metric:
    """One number per user and list; see above for what `value` and `weight` stand on."""

    name: str
    over: str
    value: pl.Expr
    sentence: str
    source: str = ""
    weight: pl.Expr = _ONE
    higher_is_better: bool | None = True
    is_by_segment: bool = False
    needs: tuple[str, ...] = ()


def _total() -> pl.Expr:
    return pl.col("total").first()


def _ideal(gains: np.ndarray) -> pl.Expr:
    """The gain that a user's targets would have on the best places."""
    sums = np.append(0.0, np.cumsum(gains))
    return _total().clip(0, len(gains)).replace_strict(list(range(len(sums))), sums.tolist(), return_dtype=pl.Float64)


def _discount(place: pl.Expr) -> pl.Expr:
    return 1 / (place + 2).log(2)


def _exact(value: pl.Expr) -> pl.Expr:
    """Sum in fixed point: a sum of floats would depend on the order of the rows."""
    return (value * 2.0**40).round().cast(pl.Int64).sum() / 2.0**40


def _ndcg(k: int, *, over: str = "hits", is_by_segment: bool = False) -> Metric:
    within = pl.col("place") < k
    gains = dcg_discount(np.arange(k))
    name, where = (
        (f"ndcg@{k}", "list") if over == "hits" else (f"ndcg_within@{k}", "candidates that the ranker ordered")
    )
    relevant = within if over == "hits" else within & pl.col("is_hit")
    gain = _exact(_discount(pl.col("place").filter(relevant))) / _ideal(gains)
    value = gain if over == "hits" else pl.when(_total() > 0).then(gain)
    return Metric(
        name,
        over,
        value,
        f"gain of the targets in the first {k} places of the {where}, discounted by 1 / log2(place + 2), over the best"
        " possible" + ("" if over == "hits" else " with the targets among the candidates"),
        "Järvelin and Kekäläinen, TOIS 2002; binary gains",
        is_by_segment=is_by_segment,
    )


def _recall(k: int, *, is_by_segment: bool = False) -> Metric:
    value = (pl.col("place") < k).sum() / _total()
    return Metric(
        f"recall@{k}", "hits", value, f"share of the targets in the first {k} places", is_by_segment=is_by_segment
    )


def _grid() -> np.ndarray:
    """Discounts of the cells of a page, the best first."""
    steps = dcg_discount(np.arange(50))
    return np.sort(np.outer(steps, steps).ravel())[::-1][:500]


def _pair_diversity(what: str) -> pl.Expr:
    """Share of the pairs of rows that differ; `same_*` counts the rows of the list with the same one."""
    pairs = pl.len() * (pl.len() - 1)
    same = (pl.col(f"same_{what}") - 1).sum()
    return pl.when(pairs > 0).then(1 - same / pairs)


def _log_loss() -> pl.Expr:
    p = pl.col("score").cast(pl.Float64).clip(1e-7, 1 - 1e-7)
    return -pl.when("is_hit").then(p.log()).otherwise((1 - p).log())


def _user_auc() -> pl.Expr:
    """Mann-Whitney: ranks of the positives against those of all, ties in the middle."""
    positives = pl.col("is_hit").sum()
    ranks = pl.col("score").rank("average").filter(pl.col("is_hit")).sum()
    pairs = positives * (pl.len() - positives)
    return pl.when(pairs > 0).then((ranks - positives * (positives + 1) / 2) / pairs)


# Rows per user are up to 500: sums of log losses of that many still fit (see resampling.UNIT).
_ROWS = pl.len().cast(pl.Float64)
_KL_TERM = (
    pl.col("p_genre")
    * (pl.col("p_genre") / ((1 - KL_SMOOTHING) * pl.col("q_genre") + KL_SMOOTHING * pl.col("p_genre"))).log()
    + pl.col("p_genre") * np.log(KL_SMOOTHING)
) / pl.col("same_genre")

METRICS = (
    _ndcg(10, is_by_segment=True),
    _ndcg(20),
    _ndcg(100),
    *(_recall(k, is_by_segment=k == 100) for k in RECALL_DEPTHS),
    Metric(
        "mrr",
        "hits",
        1 / (pl.col("place").filter(pl.col("place") < 100).min() + 1),
        "1 / place of the first target in the first 100 places, counted from 1",
    ),
    Metric(
        "hit_rate@10",
        "hits",
        (pl.col("place") < 10).any().cast(pl.Float64),
        "share of users with a target in the first 10 places",
    ),
    Metric(
        "marginal_recall",
        "hits",
        pl.col("is_exclusive").sum() / _total(),
        "share of the targets that no other source proposed",
    ),
    Metric(
        "ndcg_2d",
        "page",
        _exact(_discount(pl.col("row")) * _discount(pl.col("column"))) / _ideal(_grid()),
        "gain of the targets on the page, discounted by 1 / log2(place + 2) of the shelf and of the track on it, over"
        " the best possible",
        "after Ferrari Dacrema et al., Offline Evaluation of Recommender Systems in a User Interface With Multiple"
        " Carousels, 2022",
    ),
    Metric(
        "share_of_plays",
        "page",
        pl.col("n_plays").sum() / pl.col("total_plays").first(),
        "share of the user's coming plays whose track stands on the page",
    ),
    Metric(
        "repeat_share",
        "list",
        pl.col("is_played").mean(),
        "share of the first 10 that the user had played before",
        higher_is_better=None,
    ),
    Metric(
        "tail_share",
        "list",
        (pl.col("decile") == 9).mean(),
        "share of the first 10 among the least played tracks, which together have a tenth of the plays",
        higher_is_better=None,
    ),
    Metric(
        "novelty",
        "list",
        _exact(pl.col("self_information")) / pl.len(),
        "mean self-information of the first 10, -log2 of their share in all plays, in bits",
        "Zhou et al., PNAS 2010",
        higher_is_better=None,
    ),
    Metric(
        "artist_diversity",
        "list",
        _pair_diversity("artist"),
        "share of the pairs among the first 10 that have different artists",
        "intra-list distance, Ziegler et al., WWW 2005",
        needs=("artist",),
    ),
    Metric(
        "genre_diversity",
        "list",
        _pair_diversity("genre"),
        "share of the pairs among the first 10 that have different first genres",
        "intra-list distance, Ziegler et al., WWW 2005",
        needs=("genre",),
    ),
    Metric(
        "genre_kl",
        "list",
        pl.when(pl.col("has_genres").first()).then(_exact(_KL_TERM.fill_null(0.0)) - np.log(KL_SMOOTHING)),
        "Kullback-Leibler divergence of the first genres of the first 10 from those the user plays, in nats",
        "Steck, Calibrated Recommendations, RecSys 2018, alpha 0.01",
        higher_is_better=False,
        needs=("genre",),
    ),
    Metric(
        "fresh_share",
        "list",
        (pl.col("days_since_release") <= FRESH_DAYS).fill_null(False).mean(),
        "share of the first 10 released in the four weeks before the cutoff",
        higher_is_better=None,
        needs=("release_date",),
    ),
    Metric(
        "auc",
        "scored",
        _user_auc(),
        "chance that a candidate that was played scores above one that was not, mean over users",
        "gAUC: Zhu et al., KDD 2017, unweighted",
    ),
    Metric(
        "log_loss",
        "scored",
        _exact(_log_loss()),
        "mean binary cross-entropy of the scores of all candidates, in nats",
        weight=_ROWS,
        higher_is_better=False,
    ),
    _ndcg(10, over="scored"),
    _ndcg(20, over="scored"),
)


def metrics_over(what: str) -> tuple[Metric, ...]:
    """The entries that stand on these rows."""
    return tuple(metric for metric in METRICS if metric.over == what)


assert FIXED_POINT * 16 * 512 * 8192 * 8 <= 2**53, "sums of log losses of a block must be exact"
