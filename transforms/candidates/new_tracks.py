"""New tracks and their first audience: the users to whom they are proposed so that they can gather plays."""

from datetime import datetime, timedelta

import polars as pl
import pyarrow as pa

from transforms.catalog.catalog import Catalog
from transforms.tables.columns import Column, Schema

NEW_RELEASE_DAYS = 28
# The source that proposes new tracks to their first audience.
NEW_TRACKS_SOURCE = "new_tracks"

NEW_TRACK_MATCHES = Schema(
    "new_track_matches",
    (
        Column("track", pa.int32(), "code of a new track"),
        Column("user_id", pa.string(), "a user of the track's first audience"),
        Column("score", pa.float64(), "cosine of track and user, plus a tie-breaking jitter"),
        Column("floor", pa.int32(), "minimum size of the track's first audience"),
    ),
)
NEW_TRACK_AUDIENCES = Schema(
    "new_track_audiences",
    (
        Column("track", pa.int32(), "code of a new track"),
        Column("n_users", pa.int64(), "users of its first audience that have it as a candidate"),
    ),
)


def new_track_codes(catalog: Catalog, as_of: datetime) -> pl.Series:
    """Return the codes of the tracks, but of copies, released in the NEW_RELEASE_DAYS days up to `as_of`, ascending."""
    oldest = (as_of - timedelta(days=NEW_RELEASE_DAYS)).date()
    is_new = pl.col("release_date").is_between(oldest, as_of.date()) & ~pl.lit(pl.Series(catalog.is_copy))
    return catalog.coded.filter(is_new)["track"].sort()


def count_audiences(candidates: pl.DataFrame) -> pl.DataFrame:
    """CANDIDATES of whole users -> NEW_TRACK_AUDIENCES."""
    found = candidates.filter(pl.col(f"rank_score_{NEW_TRACKS_SOURCE}") > 0).group_by("track")
    return found.agg(n_users=pl.col("user_id").n_unique().cast(pl.Int64))


def sum_audiences(audiences: pl.DataFrame) -> pl.DataFrame:
    """NEW_TRACK_AUDIENCES of several buckets -> NEW_TRACK_AUDIENCES of all."""
    return audiences.group_by("track").agg(pl.col("n_users").sum()).sort("track")


def floors_reached(audiences: pl.DataFrame, new_tracks: pl.Series, floor: int) -> dict[str, int]:
    """Count the new tracks ("total") and those that are candidates of at least `floor` users ("at_floor")."""
    reached = audiences.filter((pl.col("n_users") >= floor) & pl.col("track").is_in(new_tracks.implode()))
    return {"total": len(new_tracks), "at_floor": len(reached) if floor else len(new_tracks)}
