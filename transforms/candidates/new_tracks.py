"""New tracks and the users they are proposed to first, so that they can gather plays."""

from datetime import datetime, timedelta

import polars as pl
import pyarrow as pa

from transforms.catalog.catalog import Catalog
from transforms.tables.columns import Column, Schema

NEW_RELEASE_DAYS = 28

NEW_TRACK_MATCHES = Schema(
    "new_tracks",
    (
        Column("track", pa.int32(), "code of a new track"),
        Column("user_id", pa.string(), "to whom it is proposed"),
        Column("score", pa.float64(), "cosine of track and user, and a breath of chance"),
        Column("floor", pa.int32(), "to how many users, at least, the track is proposed"),
    ),
)
NEW_TRACK_AUDIENCES = Schema(
    "audiences",
    (
        Column("track", pa.int32(), "code of a new track"),
        Column("n_users", pa.int64(), "users that it is a candidate of because it is new"),
    ),
)


def _released_within(as_of: datetime, days: int) -> pl.Expr:
    """Whether a row of CATALOG came out in the `days` days up to `as_of`."""
    return pl.col("release_date").is_between((as_of - timedelta(days=days)).date(), as_of.date())


def new_track_codes(catalog: Catalog, as_of: datetime) -> pl.Series:
    """Codes of the new tracks, ascending."""
    return catalog.coded.filter(_released_within(as_of, NEW_RELEASE_DAYS))["track"].sort()


def count_audiences(candidates: pl.DataFrame) -> pl.DataFrame:
    """CANDIDATES of whole users -> NEW_TRACK_AUDIENCES."""
    found = candidates.filter(pl.col("rank_score_new_tracks") > 0).group_by("track")
    return found.agg(n_users=pl.col("user_id").n_unique().cast(pl.Int64))


def sum_audiences(audiences: pl.DataFrame) -> pl.DataFrame:
    """NEW_TRACK_AUDIENCES of several buckets -> NEW_TRACK_AUDIENCES of all."""
    return audiences.group_by("track").agg(pl.col("n_users").sum()).sort("track")


def floors_reached(audiences: pl.DataFrame, new_tracks: pl.Series, floor: int) -> dict[str, int]:
    """How many tracks are new, and how many of these are candidates of at least `floor` users."""
    reached = audiences.filter((pl.col("n_users") >= floor) & pl.col("track").is_in(new_tracks.implode()))
    return {"total": len(new_tracks), "at_floor": len(reached) if floor else len(new_tracks)}
