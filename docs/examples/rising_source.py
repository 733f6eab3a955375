"""A source: of what is popular in the user's market, the tracks that are gaining listeners this week."""

import polars as pl

from transforms.candidates.context import CandidateContext, drop_played, no_seed, top_per_user
from transforms.candidates.source import Source, card_reason

# A track with fewer plays than this cannot have a high share by chance.
SMOOTHING_PLAYS = 20


def propose_rising(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose unplayed tracks by the share of the last 7 days in all their plays: user_id, track, score, seed_track."""
    plays = context.catalog.coded.select("track", "n_plays", "n_plays_7d")
    rising = context.catalog.markets.join(plays, on="track").select(
        "market", "track", no_seed(), score=pl.col("n_plays_7d") / (pl.col("n_plays") + SMOOTHING_PLAYS)
    )
    proposed = context.history.users.select("user_id", "market").join(rising, on="market").drop("market")
    return top_per_user(drop_played(proposed, context.history), "score", quota)


SOURCES = (
    Source(
        "rising",
        quota=50,
        propose=propose_rising,
        sentence="unplayed tracks that are popular in the user's market, by the share of this week in their plays",
        reasons=(card_reason("On the rise where you are"),),
        needs=("market",),
        # 0 is the score of a track that nobody played this week
        missing_score=-1.0,
    ),
)
