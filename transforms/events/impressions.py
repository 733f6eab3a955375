"""Tables of impressions as they are read and rejected, and the reasons of rejection."""

import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import IMPRESSIONS, NAME, TIMESTAMP, USER_ID

# In order of precedence: a rejected row has the first that applies.
IMPRESSION_REASONS = (
    "missing_user",
    "missing_track",
    "missing_time",
    "in_the_future",
    "before_min_played_at",
    "unknown_track",
)
# IMPRESSIONS as read.
IMPRESSION_ROWS = Schema(
    "impression_rows",
    (
        Column("user_id", USER_ID, "as read"),
        Column("track_id", NAME, "as read"),
        Column("surface", NAME, "as read"),
        *(IMPRESSIONS[name] for name in ("shown_at", "shelf_position", "position", "propensity")),
    ),
)
REJECTED_IMPRESSIONS = Schema(
    "rejected_impressions",
    (
        Column("user_id", pa.string(), "as read"),
        Column("track_id", pa.string(), "as read"),
        Column("shown_at", TIMESTAMP, "as read"),
        Column("reason", pa.string(), f"reason of rejection, one of {', '.join(IMPRESSION_REASONS)}"),
    ),
)
