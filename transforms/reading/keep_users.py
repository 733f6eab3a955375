"""Keep the plays of some users: those whom a report is about."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.tables.buckets import CombineBuckets, MapBuckets, Opened, open_frame
from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import PLAYS, USER_ID

REPORT_USERS = Schema("report_users", (Column("user_id", USER_ID, "a user to report on", is_required=True),))


@dataclass(eq=False)
class KeepUsers(beam.PTransform):
    """Apply keep_users() to every bucket of PLAYS; users: tables of REPORT_USERS."""

    users: beam.PCollection

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Gather the distinct users, then filter."""
        distinct = self.users | CombineBuckets(distinct_users_of, distinct_users_of, out=REPORT_USERS)
        return plays | MapBuckets(keep_users, out=PLAYS, users=Opened(distinct, open_frame))


def keep_users(plays: pl.DataFrame, *, users: pl.DataFrame) -> pl.DataFrame:
    """PLAYS -> PLAYS of the users in REPORT_USERS."""
    kept = users["user_id"].cast(pl.String).implode()
    return plays.filter(pl.col("user_id").cast(pl.String).is_in(kept))


def distinct_users_of(users: pl.DataFrame) -> pl.DataFrame:
    """Merge REPORT_USERS of several tables, sorted and distinct."""
    return users.select(pl.col("user_id").cast(pl.String).drop_nulls().unique().sort())
