"""History: facts about each user of a bucket, and about each user with a track, an artist or a genre."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.events.ages import days_since, hours_since
from transforms.events.dayparts import (
    DAYPART_COUNTS,
    add_dayparts,
    count_dayparts,
    preferred_daypart,
    user_daypart_counts,
)
from transforms.events.listening import is_listened
from transforms.tables.schemas import DISLIKE, LIKE, PLAY, PLAYLIST_ADD, RECENT_LENGTH, SAVE

# Sums of floats are computed in fixed point, so that they do not depend on the order of the rows.
FIXED_POINT_UNIT = 2**30
# Decay of base-level activation where none was fitted: the value of Anderson and Schooler.
DEFAULT_DECAY = 0.5
_RECENCY_HALF_LIFE_DAYS = 30.0
_WEEK = 7.0  # days


@dataclass(frozen=True)
class History:
    """Facts as of one moment. Every frame has one row per key; the first columns are the key, user_id first.

    users: user_id, market, user_plays, user_plays_7d (plays of the last 7 days), user_skip_rate,
        user_distinct_track_ratio, days_since_active, recent (list of codes, newest first); every user of the bucket,
        with nulls for one who never played.
    tracks: user_id, track, artist, genre, plays_of_track (30 s or more), skips_of_track, completion_of_track,
        days_since_first_played (the user's first play), days_since_played (the last), activation, recency (plays,
        each halved per 30 days), is_liked, and the plays in each part of the day.
    artists: user_id, artist, plays_of_artist, days_since_artist, top_track (the artist's track of highest activation),
        daypart_of_artist (when the user plays the artist more than others, see dayparts.py).
    genres: user_id, genre, share_of_genre (of the user's plays), daypart_of_genre.
    disliked: user_id, track; those that the user did not like afterwards.
    """

    users: pl.DataFrame
    tracks: pl.DataFrame
    artists: pl.DataFrame
    genres: pl.DataFrame
    disliked: pl.DataFrame


def summarize_history(plays: pl.DataFrame, *, catalog: Catalog, as_of: datetime, decay: float) -> History:
    """PLAYS of whole users, in order -> History of their events that were known before `as_of`."""
    past = plays.filter(pl.col("known_at") < as_of)
    days = days_since("played_at", as_of)
    timed = past.with_columns(
        catalog.tracks.select("artist", "genre", "duration_ms")[past["track"]], days=days, is_listened=is_listened()
    )
    tracks = _tracks(add_dayparts(timed), activation(as_of, decay))
    return History(
        users=_users(plays, timed),
        tracks=tracks,
        artists=_artists(tracks),
        genres=_genres(tracks),
        disliked=_disliked(past),
    )


def _disliked(past: pl.DataFrame) -> pl.DataFrame:
    """Return the tracks of which a user's latest like or dislike is a dislike; rows are in order of time."""
    said = past.filter(pl.col("action").is_in([LIKE, DISLIKE]))
    latest = said.unique(["user_id", "track"], keep="last", maintain_order=True)
    return latest.filter(pl.col("action") == DISLIKE).select("user_id", "track")


def to_fixed_point(value: pl.Expr) -> pl.Expr:
    """Convert to fixed point; divide sums by FIXED_POINT_UNIT."""
    return (value * FIXED_POINT_UNIT).round().cast(pl.Int64)


def activation(as_of: datetime, decay: float) -> pl.Expr:
    """Return base-level activation of ACT-R (Anderson and Schooler, 1991), an aggregate over a user's plays of a track.

    ln of the sum of age^-decay over the plays of 30 s or more; ages in hours, at least 1. Null without such a play.
    """
    hours = hours_since("played_at", as_of).clip(lower_bound=1)
    strength = to_fixed_point(hours.pow(-decay)).filter(is_listened())
    # old plays may be 0 in fixed point
    return pl.when(strength.len() > 0).then((strength.sum().clip(lower_bound=1) / FIXED_POINT_UNIT).log())


def _users(plays: pl.DataFrame, timed: pl.DataFrame) -> pl.DataFrame:
    listened = pl.col("track").filter(is_listened())
    facts = (
        timed.filter(pl.col("action") == PLAY)
        .group_by("user_id")
        .agg(
            user_plays=pl.len(),
            user_plays_7d=(pl.col("days") <= _WEEK).sum(),
            user_skip_rate=1 - pl.col("is_listened").sum() / pl.len(),
            user_distinct_track_ratio=pl.col("track").n_unique() / pl.len(),
            days_since_active=pl.col("days").min(),
            recent=listened.tail(RECENT_LENGTH).reverse(),
        )
    )
    everyone = plays.select("user_id", "market").unique("user_id", keep="first", maintain_order=True)
    return everyone.join(facts, on="user_id", how="left", maintain_order="left")


def _tracks(timed: pl.DataFrame, activation: pl.Expr) -> pl.DataFrame:
    is_play, is_listened_play = pl.col("action") == PLAY, pl.col("is_listened")
    halved = pl.lit(2.0).pow(-pl.col("days") / _RECENCY_HALF_LIFE_DAYS)
    share = (pl.col("ms_played") / pl.col("duration_ms")).clip(0, 1)
    return timed.group_by("user_id", "track").agg(
        pl.col("artist", "genre").first(),
        plays_of_track=is_listened_play.sum(),
        skips_of_track=(is_play & ~is_listened_play).sum(),
        completion_of_track=to_fixed_point(share.filter(is_play)).mean() / FIXED_POINT_UNIT,
        days_since_first_played=pl.col("days").filter(is_play).max(),
        days_since_played=pl.col("days").filter(is_play).min(),
        activation=activation,
        recency=to_fixed_point(halved.filter(is_listened_play)).sum() / FIXED_POINT_UNIT,
        is_liked=pl.col("action").is_in([LIKE, SAVE, PLAYLIST_ADD]).any(),
        **count_dayparts(is_listened_play),
    )


def _artists(tracks: pl.DataFrame) -> pl.DataFrame:
    listened = tracks.filter(pl.col("artist").is_not_null() & (pl.col("plays_of_track") > 0))
    ordered = listened.sort("user_id", "activation", "track", descending=[False, True, False])
    artists = ordered.group_by("user_id", "artist", maintain_order=True).agg(
        pl.col(DAYPART_COUNTS).sum(),
        plays_of_artist=pl.col("plays_of_track").sum(),
        days_since_artist=pl.col("days_since_played").min(),
        top_track=pl.col("track").first(),
    )
    return _with_daypart(artists, "daypart_of_artist")


def _genres(tracks: pl.DataFrame) -> pl.DataFrame:
    listened = tracks.filter(pl.col("genre").is_not_null() & (pl.col("plays_of_track") > 0))
    plays = listened.group_by("user_id", "genre").agg(
        pl.col(DAYPART_COUNTS).sum(), plays_of_genre=pl.col("plays_of_track").sum()
    )
    total = pl.col("plays_of_genre").sum().over("user_id")
    return _with_daypart(plays.with_columns(share_of_genre=pl.col("plays_of_genre") / total), "daypart_of_genre")


def _with_daypart(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Replace the counts by daypart by the daypart in which the user plays the artist or genre more than others."""
    counted = rows.with_columns(**user_daypart_counts()).with_columns(preferred_daypart().alias(name))
    return counted.drop(DAYPART_COUNTS, *(f"user_{column}" for column in DAYPART_COUNTS))
