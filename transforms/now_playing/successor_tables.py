"""TRANSITIONS, SUCCESSOR_ROWS and SUCCESSORS: which track follows which."""

import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import NAME

# Where the chance of a successor comes from: what followed, what the same listeners play, what the catalog tells.
FOLLOWED, NEARBY, CONTENT = "followed", "co_listened", "content"
SUCCESSOR_SOURCES = (FOLLOWED, NEARBY, CONTENT)
# A pair of listens n apart counts LISTEN_UNIT / n: whole numbers, so that their sums are exact.
LISTEN_UNIT, MAX_DISTANCE = 60, 5
# Successors that are kept before markets are told apart, and those published for each market.
MOST_SUCCESSORS, PUBLISHED_SUCCESSORS = 100, 50

TRANSITIONS = Schema(
    "transitions",
    (
        Column("track", pa.int32(), "code of the earlier track"),
        Column("other", pa.int32(), "code of the later one; that of `track`: the row counts its plays"),
        Column("count", pa.int64(), "pairs, by distance", "1 / LISTEN_UNIT"),
    ),
)
SUCCESSOR_ROWS = Schema(
    "successor_rows",
    (
        Column("track", pa.int32(), "code of a track that was played"),
        Column("other", pa.int32(), "code of a track that may come next"),
        Column("chance", pa.float32(), "probability that it comes next"),
        Column("source", NAME, f"one of {', '.join(SUCCESSOR_SOURCES)}: the one with the highest share in it"),
    ),
)
SUCCESSOR = pa.struct(
    [("track_id", pa.string()), ("position", pa.int32()), ("chance", pa.float32()), ("source", pa.string())]
)
SUCCESSORS = Schema(
    "successors",
    (
        Column("track_id", pa.string(), "the track that plays"),
        Column(
            "market",
            pa.string(),
            "ISO 3166 code; empty: for listeners of unknown market, and of all where no right and no rule differs",
        ),
        Column(
            "successors", pa.list_(SUCCESSOR), f"the {PUBLISHED_SUCCESSORS} likeliest next tracks, the likeliest first"
        ),
    ),
)
