"""Sources of tracks that the user has already played."""

import polars as pl

from transforms.candidates.context import CandidateContext, top_per_user
from transforms.candidates.source import IS_LISTENED, Source, card_reason


def propose_repeats(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose the tracks that the user has listened to, by base-level activation: often and recently played first."""
    listened = context.history.tracks.filter(pl.col("plays_of_track") > 0)
    proposed = listened.select("user_id", "track", pl.col("activation").alias("score"), seed_track="track")
    return top_per_user(proposed, "score", quota)


def propose_co_listened_repeats(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose already played tracks that are often heard near those that the user listened to recently."""
    return top_per_user(context.co_listened.played, "score", quota)


REPEATS = Source(
    "repeats",
    100,
    propose_repeats,
    "tracks that the user has listened to, by how often and how recently",
    reasons=(card_reason("Played {plays}, last {ago}"),),
    missing_score=-10.0,
    is_repeat=True,
)
CO_LISTENED_REPEATS = Source(
    "co_listened_repeats",
    100,
    propose_co_listened_repeats,
    "already played tracks that are co-listened with others that the user plays",
    # some of these tracks were only skipped
    reasons=(
        pl.when(IS_LISTENED).then(card_reason("One of yours, often heard near {seed}")),
        pl.when(IS_LISTENED).then(card_reason("Played {plays}, last {ago}")),
        card_reason("Often heard near {seed}"),
        card_reason("Often heard near what you play"),
    ),
)
