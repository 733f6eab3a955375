"""A metric: how far the top of a list leads away from the genres that the user plays."""

import polars as pl

from transforms.evaluation.metrics.metric import Metric

FAMILIAR_SHARE = 0.05
# p_genre: share of the track's genre in the user's plays; null: none of them
_IS_UNFAMILIAR = pl.col("p_genre").fill_null(0.0) < FAMILIAR_SHARE

METRICS = (
    Metric(
        "unfamiliar_genre_share",
        over="list",
        # a user without a play in any genre has no value, and does not count
        value=pl.when(pl.col("has_genres").first()).then(_IS_UNFAMILIAR.filter(pl.col("genre").is_not_null()).mean()),
        sentence="share of the first 10 tracks whose genre has less than a twentieth of the user's plays",
        heading="unfamiliar",
        group="list",
        tables=("beyond accuracy",),
        # neither direction is better by itself: it says how much a policy explores
        higher_is_better=None,
        needs=("genre",),
    ),
)
