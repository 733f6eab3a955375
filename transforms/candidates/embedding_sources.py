"""Sources that rank tracks by the embeddings of the two towers."""

import numpy as np
import polars as pl

from transforms.candidates.context import CandidateContext, no_seed, top_per_user
from transforms.candidates.new_tracks import NEW_RELEASE_DAYS, NEW_TRACKS_SOURCE, new_track_codes
from transforms.candidates.source import IS_BY_SEED_ARTIST, Source, card_reason
from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import DEEP_SHARE, is_deep

# logQ takes popularity out of the cosine: ln P(track | user) is cosine / temperature + ln P(track) + a constant. Half
# of ln P(track) is put back, at the default temperature of 0.2; all of it would show a third less of the catalogue.
POPULARITY_WEIGHT = 0.1


def popularity_bias(catalog: Catalog, weight: float = POPULARITY_WEIGHT) -> np.ndarray:
    """Compute the bias that is added to every user's cosine with a track: float32 [N]."""
    return (weight * catalog.tracks["popularity"].log1p().to_numpy()).astype(np.float32)


def propose_two_tower(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose the unplayed tracks nearest to the user's embedding, with a bias for popular tracks."""
    return context.nearest_unplayed(quota, item_bias=popularity_bias(context.catalog)).with_columns(no_seed())


def propose_deep_cuts(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose the unplayed tracks of the deep catalogue that are nearest to the user's embedding."""
    excluded = ~is_deep(context.catalog.tracks["n_plays"].to_numpy())
    return context.nearest_unplayed(quota, excluded=excluded).with_columns(no_seed())


def propose_new_releases(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose new tracks: those by the user's artists, then the nearest ones; to users without embedding popular ones.

    A cosine is at most 1. The score of a track by one of the user's artists is above 2, so these tracks come first.
    """
    codes = new_track_codes(context.catalog, context.as_of)
    is_old = np.ones(len(context.catalog.tracks), dtype=bool)
    is_old[codes.to_numpy()] = False
    nearest = context.nearest_unplayed(quota, excluded=is_old).with_columns(no_seed())
    new = context.catalog.coded.select("track", "artist", "popularity")[codes]
    by_popularity = pl.col("popularity").log1p() / 100
    score = 2 + pl.col("plays_of_artist").log1p() + by_popularity
    by_artist = context.history.artists.join(new.drop_nulls("artist"), on="artist")
    by_artist = by_artist.select("user_id", "track", score=score, seed_track="top_track")
    without_embedding = context.history.users.select("user_id").join(nearest, on="user_id", how="anti")
    top = new.sort("popularity", "track", descending=[True, False]).head(quota)
    popular = without_embedding.join(top, how="cross").select("user_id", "track", no_seed(), score=by_popularity)
    proposed = pl.concat([by_artist, nearest, popular], how="diagonal_relaxed").sort("score", descending=True)
    once = proposed.unique(["user_id", "track"], keep="first", maintain_order=True)
    played = context.history.tracks.select("user_id", "track")
    return top_per_user(once.join(played, on=["user_id", "track"], how="anti"), "score", quota)


def propose_new_tracks(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Propose the new tracks whose first audience includes the user (see match_new_tracks.py)."""
    ids = context.history.users.select("user_id", name=pl.col("user_id").cast(pl.String))
    matched = context.new_tracks.join(ids, left_on="user_id", right_on="name")
    proposed = matched.select(pl.col("user_id_right").alias("user_id"), "track", "score", no_seed())
    return top_per_user(proposed, "score", quota)


TWO_TOWER = Source(
    "two_tower",
    500,
    propose_two_tower,
    "unplayed tracks nearest to the user's embedding, with a bias for popular ones",
    reasons=(card_reason("Close to what you have been playing"),),
)
DEEP_CUTS = Source(
    "deep_cuts",
    50,
    propose_deep_cuts,
    f"unplayed tracks near the user's embedding among the least played, which have {DEEP_SHARE:.0%} of the plays",
    reasons=(card_reason("Few know it; it is close to what you play"),),
)
NEW_RELEASES = Source(
    "new_releases",
    50,
    propose_new_releases,
    f"tracks of the last {NEW_RELEASE_DAYS} days, by the user's artists or near the user's embedding",
    reasons=(
        pl.when(IS_BY_SEED_ARTIST).then(card_reason("New from {artist}")),
        card_reason("Just out, close to what you play"),
    ),
    needs=("release_date",),
)
NEW_TRACKS = Source(
    NEW_TRACKS_SOURCE,
    1000,
    propose_new_tracks,
    "new tracks whose first audience includes the user",
    reasons=(card_reason("You are among the first to hear it"),),
    needs=("release_date",),
    is_guaranteed=True,
)
