"""Metrics of pages: lists of shelves, read in two dimensions."""

import numpy as np
import polars as pl

from models.metrics import dcg_discount
from transforms.evaluation.metrics.metric import Metric, discount_by_rank, exact_sum, ideal_gain
from transforms.evaluation.metrics.system import is_page


def _grid_gains() -> np.ndarray:
    """Compute the discounts of the 500 best positions of a page, the best first."""
    steps = dcg_discount(np.arange(50))
    return np.sort(np.outer(steps, steps).ravel())[::-1][:500]


PAGE_METRICS = (
    Metric(
        "ndcg_2d",
        "page",
        exact_sum(discount_by_rank(pl.col("shelf_position")) * discount_by_rank(pl.col("track_position")))
        / ideal_gain(_grid_gains()),
        "gain of the targets on the page, discounted by 1 / log2(position + 2) of the shelf and of the track on its"
        " shelf, divided by the highest possible gain",
        heading="NDCG in two dimensions",
        group="page",
        tables=("page",),
        source="after Ferrari Dacrema et al., Offline Evaluation of Recommender Systems in a User Interface With"
        " Multiple Carousels, 2022",
        is_meaningful_for=is_page,
        is_compared=True,
    ),
    Metric(
        "share_of_plays",
        "page",
        pl.col("n_plays").sum() / pl.col("total_plays").first(),
        "share of the user's plays in the horizon whose track is on the page",
        heading="share of coming plays",
        group="page",
        tables=("page",),
        is_meaningful_for=is_page,
        is_by_shelf=True,
        is_compared=True,
    ),
)
