"""Tables of the sample world: those that a run reads, with further columns that real logs have and runs ignore."""

import pyarrow as pa

from transforms.events.impressions import IMPRESSIONS
from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import EVENTS, TIMESTAMP, TRACKS, USERS


def _inserted(schema: Schema, before: str, *columns: Column) -> Schema:
    """Return a schema with further columns before one of its own."""
    index = schema.names.index(before)
    return Schema(schema.name, (*schema.columns[:index], *columns, *schema.columns[index:]))


_REQUEST_ID = Column("request_id", pa.string(), "the page request")

SAMPLE_EVENTS = _inserted(
    EVENTS,
    "arrived_at",
    Column("surface", pa.string(), "surface of the app that the play started from"),
    Column("shelf_id", pa.string(), "the shelf that the play started from"),
    _REQUEST_ID,
)
SAMPLE_TRACKS = Schema(TRACKS.name, tuple(column for column in TRACKS.columns if column.name != "recording_id"))
SAMPLE_USERS = _inserted(USERS, "erased", Column("created_at", TIMESTAMP, "time when the account was created"))
_IMPRESSION_NAMES = ("request_id", "user_id", "shown_at", "surface", "shelf_id", "shelf_position", "track_id")
SAMPLE_IMPRESSIONS = Schema(
    IMPRESSIONS.name,
    tuple(IMPRESSIONS[name] for name in (*_IMPRESSION_NAMES, "position", "propensity", "policy")),
)
