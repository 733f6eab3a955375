"""Find the rows of the user table that do not count: without an id, or with an id that another row has."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.events.market_codes import market_code
from transforms.tables.buckets import GroupByBucket, MapBuckets
from transforms.tables.columns import Column, Schema
from transforms.tables.rejects import first_reason, is_blank

USER_REASONS = ("missing_user", "repeated_user")
REJECTED_USERS = Schema(
    "rejected_users",
    (
        Column("user_id", pa.string(), "as read"),
        Column("market", pa.string(), "as read"),
        Column("reason", pa.string(), f"reason of rejection, one of {', '.join(USER_REASONS)}"),
    ),
)


@dataclass(eq=False)
class RejectUsers(beam.PTransform):
    """Apply reject_users() to all rows of a user at once."""

    num_buckets: int

    def expand(self, users: beam.PCollection) -> beam.PCollection:
        """Bring the rows of each id together."""
        grouped = users | GroupByBucket("user_id", self.num_buckets)
        return grouped | MapBuckets(reject_users, out=REJECTED_USERS)


def reject_users(users: pl.DataFrame) -> pl.DataFrame:
    """Select the rows without an id, and all but one of those with one id: USER_ROWS -> REJECTED_USERS.

    Kept is the row whose market order_histories() takes, the last.
    """
    rows = users.select(pl.col("user_id", "market").cast(pl.String), code=market_code(pl.col("market")))
    ordered = rows.sort("user_id", "code", "market", descending=[False, True, False], nulls_last=True)
    is_repeated = pl.col("user_id") == pl.col("user_id").shift(1)
    reason = first_reason({"missing_user": is_blank("user_id"), "repeated_user": is_repeated})
    return ordered.select("user_id", "market", reason=reason).drop_nulls("reason")
