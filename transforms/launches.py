"""New tracks and the users they are proposed to first, so that they can gather plays."""

from datetime import datetime, timedelta

import polars as pl
import pyarrow as pa

from transforms.catalogs import Catalog
from transforms.columns import Column, Schema

NEW_RELEASE_DAYS = 28

LAUNCHES = Schema(
    "launches",
    (
        Column("track", pa.int32(), "code of a new track"),
        Column("user_id", pa.string(), "to whom it is proposed"),
        Column("score", pa.float64(), "cosine of track and user, and a breath of chance"),
        Column("floor", pa.int32(), "to how many users, at least, the track is proposed"),
    ),
)


def released_within(as_of: datetime, days: int) -> pl.Expr:
    """Whether a row of CATALOG came out in the `days` days up to `as_of`."""
    return pl.col("release_date").is_between((as_of - timedelta(days=days)).date(), as_of.date())


def launched(catalog: Catalog, as_of: datetime) -> pl.Series:
    """Codes of the new tracks, ascending."""
    return catalog.coded.filter(released_within(as_of, NEW_RELEASE_DAYS))["track"].sort()
