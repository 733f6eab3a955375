"""Sources that need no vector: the user's own tracks, what is near them, the user's artists, and everyone's plays."""

import numpy as np
import polars as pl

from transforms.candidates.context import CandidateContext, drop_played, no_seed, top_per_user
from transforms.catalog.catalog import Catalog
from transforms.tables.groups import first_of_groups, rank_in_group

_FAVOURITE_ARTISTS = 15
_TRACKS_PER_ARTIST = 20
# An artist heard near a favourite counts as if played e times less, and less the further down.
_SIMILAR_ARTISTS, _STEP_TO_SIMILAR = 10, 1.0


def propose_repeats(context: CandidateContext, quota: int) -> pl.DataFrame:
    """What the user has listened to, by base-level activation: often and lately."""
    played = context.history.tracks.filter(pl.col("plays_of_track") > 0)
    return played.select("user_id", "track", pl.col("activation").alias("score"), seed_track="track")


def propose_co_listened_repeats(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Own tracks that are first heard near others which the user listened to lately."""
    return context.near[1]


def propose_co_listened(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Unheard tracks that are first heard near those which the user listened to lately."""
    return context.near[0]


def propose_artists(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Unheard tracks of the artists the user plays most, then of artists heard near these; the popular ones first."""
    with_artist = context.catalog.by_popularity.filter(pl.col("artist").is_not_null())
    place = rank_in_group("artist")
    best = with_artist.select("track", "artist", place=place).filter(pl.col("place") < _TRACKS_PER_ARTIST)
    own = top_per_user(context.history.artists, "plays_of_artist", _FAVOURITE_ARTISTS, tie="artist")
    weight = pl.col("plays_of_artist").log1p()
    favourites = own.select("user_id", "artist", "top_track", weight=weight)
    artists = pl.concat([favourites, _similar(favourites, context.catalog)]).sort("weight", descending=True)
    once = artists.unique(["user_id", "artist"], keep="first", maintain_order=True)
    score = pl.col("weight") - (pl.col("place") + 1).log() / 2
    joined = once.join(best, on="artist").select("user_id", "track", score=score, seed_track="top_track")
    return drop_played(joined, context.history)


def _similar(favourites: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """The artists of the tracks nearest to the user's best track of each favourite, as far behind as they are down."""
    near = catalog.neighbours[favourites["top_track"].to_numpy(), :_SIMILAR_ARTISTS]
    row, place = np.nonzero(near >= 0)
    artist = catalog.tracks["artist"].gather(near[row, place])
    behind = pl.Series(_STEP_TO_SIMILAR + np.log1p(place))
    found = favourites[row].with_columns(artist=artist, weight=pl.col("weight") - behind)
    return found.drop_nulls("artist")


def propose_market(context: CandidateContext, quota: int) -> pl.DataFrame:
    """What is played now where the user is."""
    top = first_of_groups(context.catalog.markets, "market", quota)
    here = context.history.users.select("user_id", "market").join(top, on="market")
    return here.select("user_id", "track", no_seed(), score="popularity")


def propose_popular(context: CandidateContext, quota: int) -> pl.DataFrame:
    """What everyone plays now; the fallback that every user has."""
    top = context.catalog.by_popularity.head(quota)
    everyone = context.history.users.select("user_id").join(top, how="cross")
    return everyone.select("user_id", "track", no_seed(), score="popularity")
