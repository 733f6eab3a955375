"""A feature: how much of what the user plays is from the decade of the track."""

import polars as pl

from transforms.features.feature import OF_USER, Feature

_RELEASED = pl.col("release_date")
_PLAYS = pl.col("plays_of_track").fill_null(0)
_OF_DECADE = _PLAYS.sum().over("user_id", _RELEASED.dt.year() // 10)

FEATURES = (
    Feature(
        "share_of_decade",
        # null where the release date is unknown, 0 / 0 where the user has no play: both become `missing`
        pl.when(_RELEASED.is_not_null()).then(_OF_DECADE / _PLAYS.sum().over("user_id")),
        "share of the plays of the user's candidates that are of tracks of the same decade",
        missing=0.0,
        group="the user and the decade",
        freshness=OF_USER,
    ),
)
