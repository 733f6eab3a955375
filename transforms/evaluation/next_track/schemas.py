"""The table of predicted plays."""

import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import TIMESTAMP, USER_ID

NEXT_TRACK_RANKS = Schema(
    "next_track_ranks",
    (
        Column("user_id", USER_ID, "the listener"),
        Column("number", pa.int32(), "number of the play among the user's plays of 30 s or more, from 0"),
        Column("played_at", TIMESTAMP, "start of the play to predict"),
        Column("track", pa.int32(), "code of its track"),
        Column("is_first", pa.bool_(), "whether the play begins a session"),
        Column("is_repeat", pa.bool_(), "whether the user has played the track before"),
        Column("context", pa.int8(), "context by which a mixture weighs its systems"),
        Column("ranks", pa.list_(pa.int32()), "rank of the track among all tracks by each system, from 0"),
        Column("shares", pa.list_(pa.float32()), "share of the track in the scores of all tracks, by each system"),
    ),
)
