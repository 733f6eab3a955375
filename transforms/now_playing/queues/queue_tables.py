"""QUEUES, and the settings of their composition."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import TIMESTAMP

# What a queue goes on from.
TRACK, ALBUM, ARTIST, SESSION = "track", "album", "artist", "session"
CONTEXTS = (TRACK, ALBUM, ARTIST, SESSION)
# Conflicts: rules of order that no track left could satisfy.
FAMILIAR_SHARE, ARTIST_GAP = "familiar share", "artist gap"
RELAXATIONS = (FAMILIAR_SHARE, ARTIST_GAP)
# Tracks between two by one artist are at least one fewer; tracks in which the familiar share holds; its slack.
MIN_ARTIST_DISTANCE, SHARE_WINDOW, SHARE_SLACK = 4, 10, 1
# What was played or skipped so lately does not come again.
RECENT = timedelta(hours=4)

QUEUE_TRACK = pa.struct(
    [
        ("track_id", pa.string()),
        ("position", pa.int32()),
        ("p_completed", pa.float32()),
        ("p_skipped", pa.float32()),
        ("source", pa.string()),
        ("is_familiar", pa.bool_()),
        ("reason", pa.string()),
        ("propensity", pa.float64()),
    ]
)
QUEUES = Schema(
    "queues",
    (
        Column("user_id", pa.string(), "the listener"),
        Column("context", pa.string(), f"what the queue goes on from: {', '.join(CONTEXTS)}"),
        Column("context_id", pa.string(), "its id: a track, an album, an artist; a session is told by when it began"),
        Column("name", pa.string(), "its title or name; null: unknown, and of sessions"),
        Column("started_at", TIMESTAMP, "when the session began, or the listener last listened to any of the context"),
        Column("familiar_per_10", pa.int32(), "tracks in ten that the listener knows, as they are used to"),
        Column(
            "relaxed", pa.list_(pa.string()), f"rules of order that could not be satisfied: {', '.join(RELAXATIONS)}"
        ),
        Column(
            "tracks",
            pa.list_(QUEUE_TRACK),
            "in order, from 0; a propensity is the probability that the track was in the set that was put in order",
        ),
    ),
)


@dataclass(frozen=True)
class QueuePolicy:
    """Settings of composition.

    length: tracks of a queue after its context. num_contexts: most contexts of a user, by kind. set_size:
    tracks that are drawn and put in order. pool_size: tracks of which they are drawn. max_artist_tracks: of these by
    one artist. width: beams. temperature: power of the chance with which tracks are drawn.
    """

    as_of: datetime
    seed: int
    length: int = 30
    num_contexts: Mapping[str, int] = field(default_factory=lambda: dict(zip(CONTEXTS, (5, 2, 3, 1), strict=True)))
    set_size: int = 48
    pool_size: int = 160
    max_artist_tracks: int = 8
    width: int = 8
    temperature: float = 0.4

    @property
    def day(self) -> date:
        """Return the day that queues are for; a run at midnight belongs to the day that ends."""
        return (self.as_of - timedelta(microseconds=1)).date()
