"""One row per user, reduced from facts of each user, and of each user with a track, an artist and a genre.

Every job of the featurize benchmark ends with it: so all facts are computed, and little is written.
"""

import polars as pl
import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import USER_ID

USER_FACTS = Schema(
    "user_facts",
    (
        Column("user_id", USER_ID, "who"),
        Column("user_plays", pa.int64(), "plays"),
        Column("user_skip_rate", pa.float64(), "share of plays under 30 s"),
        Column("user_distinct_track_ratio", pa.float64(), "distinct tracks per play"),
        Column("days_since_active", pa.float64(), "since the last play", "days"),
        Column("n_recent", pa.int64(), "latest tracks kept"),
        Column("n_tracks", pa.int64(), "tracks with any event"),
        Column("n_listened", pa.int64(), "plays of 30 s or more, over all tracks"),
        Column("n_skipped", pa.int64(), "plays under 30 s, over all tracks"),
        Column("n_liked", pa.int64(), "tracks liked, saved or added"),
        Column("completion", pa.float64(), "sum over tracks of the mean share heard"),
        Column("days_since_played", pa.float64(), "sum over tracks", "days"),
        Column("activation", pa.float64(), "of the most active track"),
        Column("n_artists", pa.int64(), "artists listened to"),
        Column("plays_of_artist", pa.int64(), "of the artist most played"),
        Column("n_genres", pa.int64(), "genres listened to"),
        Column("share_of_genre", pa.float64(), "of the genre most played"),
        Column("n_disliked", pa.int64(), "tracks disliked"),
    ),
)
COUNTS = [name for name in USER_FACTS.names if USER_FACTS[name].type == pa.int64()]


def reduce_history(
    users: pl.DataFrame, tracks: pl.DataFrame, artists: pl.DataFrame, genres: pl.DataFrame, disliked: pl.DataFrame
) -> pl.DataFrame:
    """Turn frames as in transforms.candidates.user_history.UserHistory into USER_FACTS."""
    by_track = tracks.group_by("user_id").agg(
        n_tracks=pl.len(),
        n_listened=pl.col("plays_of_track").sum(),
        n_skipped=pl.col("skips_of_track").sum(),
        n_liked=pl.col("is_liked").sum(),
        completion=pl.col("completion_of_track").sum(),
        days_since_played=pl.col("days_since_played").sum(),
        activation=pl.col("activation").max(),
    )
    by_artist = artists.group_by("user_id").agg(n_artists=pl.len(), plays_of_artist=pl.col("plays_of_artist").max())
    by_genre = genres.group_by("user_id").agg(n_genres=pl.len(), share_of_genre=pl.col("share_of_genre").max())
    facts = users.with_columns(n_recent=pl.col("recent").list.len()).drop("recent")
    for part in (by_track, by_artist, by_genre, disliked.group_by("user_id").agg(n_disliked=pl.len())):
        facts = facts.join(part, on="user_id", how="left")
    return facts.with_columns(pl.col(COUNTS).fill_null(0).cast(pl.Int64)).select(USER_FACTS.names)
