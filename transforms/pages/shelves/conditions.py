"""Conditions and orders that shelves are declared with: expressions over candidates with context."""

import polars as pl

from transforms.candidates.new_tracks import NEW_RELEASE_DAYS

RECENT_DAYS = 30
# Below so many plays a page is also filled with what others play.
LITTLE_HISTORY = 20
PLAYED = pl.col("plays_of_track") > 0
UNPLAYED = (pl.col("plays_of_track") == 0) & (pl.col("skips_of_track") == 0)
PLAYED_RECENTLY = pl.col("days_since_played") <= RECENT_DAYS
NEWLY_RELEASED = pl.col("days_since_release") <= NEW_RELEASE_DAYS
# Without a play there is no taste that a shelf could claim to know.
HAS_PLAYS = pl.col("user_plays") > 0
BY_PLAYED_ARTIST = pl.col("artist").is_not_null() & (pl.col("plays_of_artist") > 0)
OF_PLAYED_GENRE = pl.col("genre").is_not_null() & (pl.col("share_of_genre") >= 0.05)
BY_SCORE = pl.col("score").clip(1e-6).log()
# On the user's shelf since an earlier run of the period.
IS_CARRIED_OVER = pl.col("carried_over_position").is_not_null()
# No draw and no strength of diversity or calibration outweighs one such step in the order.
CARRY_OVER_STEP = 100.0
