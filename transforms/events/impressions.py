"""Tables of impressions as they are read and rejected, and the reasons of rejection."""

import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import NAME, TIMESTAMP, USER_ID

IMPRESSIONS = Schema(
    "impressions",
    (
        Column("user_id", pa.string(), "the viewer", is_required=True),
        Column("shown_at", TIMESTAMP, "time of the impression", is_required=True),
        Column("surface", pa.string(), "surface of the app: home, discover, or another name"),
        Column("shelf_position", pa.int32(), "position of the shelf on the page, from 0"),
        Column("track_id", pa.string(), "the track shown", is_required=True),
        Column("position", pa.int32(), "position of the track on the shelf, from 0"),
        Column("propensity", pa.float64(), "probability with which the policy chose the track there"),
        Column("request_id", pa.string(), "request of the page that the card stood on; null: user and time tell it"),
        Column("shelf_id", pa.string(), "the shelf, as in pages"),
        Column("shelf_propensity", pa.float64(), "probability with which it chose the shelf there, given those above"),
        Column("policy", pa.string(), "name of the policy that composed the page"),
    ),
)
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
CHECKED_IMPRESSIONS = IMPRESSION_ROWS.extended(
    "checked_impressions", Column("reason", NAME, "reason of rejection; null: the row is kept")
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
