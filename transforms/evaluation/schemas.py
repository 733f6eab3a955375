"""The tables of an evaluation: what is judged, and the sums that come of it."""

import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import NAME, TIMESTAMP, USER_ID

# Ranked lists and what they are judged by in one table, so that one shuffle brings together what is a user's. The name
# of a system is that of a list, or one of these.
TARGET, PLAYED_BEFORE, ARRIVED_LATE = "target", "played_before", "arrived_late"
# What homeshelf itself makes, beside the lists of its sources.
PAGE, RANKER, FIRST_STAGE = "page", "ranker", "candidates"
EVALUATION_ROWS = Schema(
    "evaluation_rows",
    (
        Column("user_id", USER_ID, "whose"),
        Column(
            "system",
            NAME,
            "who ranked the track; target: it was played in the horizon; heard: played and known before the cutoff;"
            " late: played before the cutoff, but known only after it",
        ),
        Column("track", pa.int32(), "code of the track"),
        Column("rank", pa.int32(), "place on the list, from 0, without gaps; null: no list"),
        Column("n_plays", pa.int32(), "plays of a target or of a heard track; null on lists"),
        Column("score", pa.float32(), "the chance of a listen, by the ranker; null elsewhere"),
        Column("shelf_id", NAME, "shelf of a page; null elsewhere"),
        Column("row", pa.int16(), "place of the shelf on a page, from 0; null elsewhere"),
        Column("column", pa.int16(), "place of the track on its shelf, from 0; null elsewhere"),
    ),
)

LISTS = Schema(
    "lists",
    (
        Column("user_id", pa.string(), "for whom", is_required=True),
        Column("track_id", pa.string(), "what", is_required=True),
        Column("rank", pa.int32(), "place on the list, the lowest is the best", is_required=True),
        Column("cutoff_at", TIMESTAMP, "the cutoff that the list is for; absent or null: the only one"),
    ),
)

# Integers, so that a sum does not depend on the order. What a metric is divided by stands in rows of its own: metric
# "users" of no system, or "weight of <metric>".
SUMS = Schema(
    "sums",
    (
        Column("system", pa.string(), "whose lists; empty: whoever's"),
        Column("metric", pa.string(), "one of METRICS, or what it is divided by"),
        Column("targets", pa.string(), "which targets count: one of KINDS; empty: the metric needs none"),
        Column("segment", pa.string(), "which users: everyone, or dimension: value"),
        Column("values", pa.list_(pa.int64()), "sum over users, plain and in each bootstrap replicate", "2^-20"),
    ),
)
LIST_EXPOSURE = Schema(
    "list_exposure",
    (
        Column("system", pa.string(), "whose lists; target: the coming plays themselves"),
        Column("track", pa.int32(), "code of the track"),
        Column("n_10", pa.int64(), "users on whose first 10 places it stands"),
        Column("n_100", pa.int64(), "users on whose first 100 places it stands"),
        Column("n_hits", pa.int64(), "of the latter, those who played it in the horizon"),
    ),
)
SCORE_BINS = Schema(
    "score_bins",
    (
        Column("segment", pa.string(), "all, or the source of the candidate"),
        Column("bin", pa.int32(), "scores of one width in log-odds"),
        Column("n_rows", pa.int64(), "candidates"),
        Column("n_positives", pa.int64(), "those that were played in the horizon"),
        Column("score", pa.int64(), "sum of their scores", "2^-20"),
    ),
)
