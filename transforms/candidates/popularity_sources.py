"""Sources of tracks that many users play now."""

import polars as pl

from transforms.candidates.context import CandidateContext, no_seed, top_per_user
from transforms.candidates.source import Source, card_reason
from transforms.tables.groups import first_of_groups


def propose_market(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose the tracks that are most popular in the user's market."""
    top = first_of_groups(context.drop_withheld(context.catalog.markets), "market", quota)
    joined = context.history.users.select("user_id", "market").join(top, on="market")
    return top_per_user(joined.select("user_id", "track", no_seed(), score="popularity"), "score", quota)


def propose_popular(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose the tracks that are most popular with everyone: the fallback that every user has."""
    top = context.by_popularity.head(quota)
    joined = context.history.users.select("user_id").join(top, how="cross")
    return top_per_user(joined.select("user_id", "track", no_seed(), score="popularity"), "score", quota)


MARKET = Source(
    "market",
    100,
    propose_market,
    "tracks that are popular in the user's market",
    reasons=(card_reason("Many play it where you are"),),
    needs=("market",),
)
POPULAR = Source(
    "popular",
    200,
    propose_popular,
    "tracks that are popular with everyone; the fallback",
    reasons=(card_reason("Many play it now"),),
)
