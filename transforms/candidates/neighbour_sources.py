"""Sources of new tracks that are near the user's tracks: by co-listening and by artist."""

import numpy as np
import polars as pl

from transforms.candidates.context import CandidateContext, drop_played, top_per_user
from transforms.candidates.source import IS_BY_SEED_ARTIST, Source, card_reason
from transforms.catalog.catalog import Catalog
from transforms.tables.groups import rank_in_group

_FAVOURITE_ARTISTS = 15
_TRACKS_PER_ARTIST = 20
# An artist near a favourite weighs 1 less than the favourite (as if played e times less), and less the further down.
_SIMILAR_ARTISTS, _STEP_TO_SIMILAR = 10, 1.0


def propose_co_listened(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose unplayed tracks that are often heard near those that the user listened to recently."""
    return top_per_user(context.co_listened.unplayed, "score", quota)


def propose_artists(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose unplayed tracks of the user's favourite artists and of artists near these, popular tracks first."""
    with_artist = context.by_popularity.filter(pl.col("artist").is_not_null())
    rank = rank_in_group("artist")
    best = with_artist.select("track", "artist", rank=rank).filter(pl.col("rank") < _TRACKS_PER_ARTIST)
    most_played = top_per_user(context.history.artists, "plays_of_artist", _FAVOURITE_ARTISTS, tie="artist")
    weight = pl.col("plays_of_artist").log1p()
    favourites = most_played.select("user_id", "artist", "top_track", weight=weight)
    artists = pl.concat([favourites, _similar_artists(favourites, context.catalog)]).sort("weight", descending=True)
    once = artists.unique(["user_id", "artist"], keep="first", maintain_order=True)
    score = pl.col("weight") - (pl.col("rank") + 1).log() / 2
    joined = once.join(best, on="artist").select("user_id", "track", score=score, seed_track="top_track")
    return top_per_user(drop_played(joined, context.history), "score", quota)


def _similar_artists(favourites: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return the artists of the tracks nearest to the top track of each favourite; the weight falls with the rank."""
    near = catalog.neighbours[favourites["top_track"].to_numpy(), :_SIMILAR_ARTISTS]
    row, rank = np.nonzero(near >= 0)
    artist = catalog.tracks["artist"].gather(near[row, rank])
    loss = pl.Series(_STEP_TO_SIMILAR + np.log1p(rank))
    return favourites[row].with_columns(artist=artist, weight=pl.col("weight") - loss).drop_nulls("artist")


CO_LISTENED = Source(
    "co_listened",
    300,
    propose_co_listened,
    "unplayed tracks that are co-listened with those that the user plays",
    reasons=(
        card_reason("Often heard together with {seed}"),
        card_reason("Often heard together with what you play"),
    ),
    is_co_listened=True,
)
ARTISTS = Source(
    "artists",
    100,
    propose_artists,
    "unplayed tracks of the artists that the user plays, and of artists co-listened with these",
    reasons=(
        pl.when(IS_BY_SEED_ARTIST).then(card_reason("By {artist}, as is {seed_title}, which you play")),
        card_reason("{artist} is heard by those who play {seed_artist}"),
        card_reason("Heard by those who play what you play"),
    ),
    needs=("artist",),
)
