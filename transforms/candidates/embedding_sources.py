"""Sources that go by the vectors of the two towers."""

import numpy as np
import polars as pl

from transforms.candidates.context import CandidateContext, no_seed
from transforms.candidates.new_tracks import new_track_codes
from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import is_deep

# logQ takes popularity out of the cosine: ln P(track | user) is cosine / temperature + ln P(track) + a constant. Half
# of that is put back, at the default temperature of 0.2; all of it leaves a third less of the catalogue in the lists.
POPULARITY_WEIGHT = 0.1


def popularity_bias(catalog: Catalog, weight: float = POPULARITY_WEIGHT) -> np.ndarray:
    """By how much popular tracks are nearer to everyone: float32 [N]."""
    return (weight * catalog.tracks["popularity"].log1p().to_numpy()).astype(np.float32)


def propose_two_tower(context: CandidateContext, quota: int) -> pl.DataFrame:
    """The unheard tracks nearest to the user's vector, popular ones a little nearer."""
    return context.nearest_unplayed(quota, item_bias=popularity_bias(context.catalog)).with_columns(no_seed())


def propose_deep_cuts(context: CandidateContext, quota: int) -> pl.DataFrame:
    """The same among the tracks that few play."""
    return context.nearest_unplayed(
        quota, excluded=~is_deep(context.catalog.tracks["n_plays"].to_numpy())
    ).with_columns(no_seed())


def propose_new_releases(context: CandidateContext, quota: int) -> pl.DataFrame:
    """New tracks: nearest to the user's vector, those of the user's artists before all others; unknown users: popular.

    A cosine is at most 1, so an artist of the user's (1 more, and a little for each play) stands first.
    """
    tracks = new_track_codes(context.catalog, context.as_of)
    is_old = np.ones(len(context.catalog.tracks), dtype=bool)
    is_old[tracks.to_numpy()] = False
    near = context.nearest_unplayed(quota, excluded=is_old)
    new = context.catalog.coded.select("track", "artist", "popularity")[tracks]
    own = context.history.artists.join(new.drop_nulls("artist"), on="artist")
    warmth = pl.col("popularity").log1p() / 100
    warm = own.select("user_id", "track", score=2 + pl.col("plays_of_artist").log1p() + warmth, seed_track="top_track")
    cold = context.history.users.select("user_id").join(near, on="user_id", how="anti")
    top = new.sort("popularity", "track", descending=[True, False]).head(quota)
    popular = cold.join(top, how="cross").select("user_id", "track", no_seed(), score=warmth)
    rows = [warm, near.with_columns(no_seed()), popular]
    proposed = pl.concat(rows, how="diagonal_relaxed").sort("score", descending=True)
    heard = context.history.tracks.select("user_id", "track")
    once = proposed.unique(["user_id", "track"], keep="first", maintain_order=True)
    return once.join(heard, on=["user_id", "track"], how="anti")


def propose_new_tracks(context: CandidateContext, quota: int) -> pl.DataFrame:
    """New tracks of whose first audience the user is one (see match_new_tracks.py)."""
    ids = context.history.users.select("user_id", name=pl.col("user_id").cast(pl.String))
    matched = context.new_tracks.join(ids, left_on="user_id", right_on="name")
    return matched.select(pl.col("user_id_right").alias("user_id"), "track", "score", no_seed())
