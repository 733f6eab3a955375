"""The tables of an evaluation: ranked lists together with ground truth, and the sums that are computed from them."""

import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import NAME, TIMESTAMP, USER_ID

# Ground truth stands in the same table as ranked lists, so that one shuffle brings together the rows of a user. The
# column `system` holds the name of a list's system, or one of these.
TARGET, PLAYED_BEFORE, ARRIVED_LATE = "target", "played_before", "arrived_late"
EVALUATION_ROWS = Schema(
    "evaluation_rows",
    (
        Column("user_id", USER_ID, "user of the list or of the plays"),
        Column(
            "system",
            NAME,
            "system that ranked the track; target: played in the horizon; played_before: played and known before the"
            " cutoff; arrived_late: played before the cutoff, known after it",
        ),
        Column("track", pa.int32(), "code of the track"),
        Column("rank", pa.int32(), "rank in the list, from 0, without gaps; null for plays"),
        Column("n_plays", pa.int32(), "number of plays; null in lists"),
        Column("score", pa.float32(), "probability of a listen by the ranker; null in all other lists"),
        Column("shelf_id", NAME, "shelf of a page; null elsewhere"),
        Column("shelf_position", pa.int16(), "position of the shelf on a page, from 0; null elsewhere"),
        Column("track_position", pa.int16(), "position of the track on its shelf, from 0; null elsewhere"),
    ),
)

LISTS = Schema(
    "lists",
    (
        Column("user_id", pa.string(), "user of the list", is_required=True),
        Column("track_id", pa.string(), "track", is_required=True),
        Column("rank", pa.int32(), "rank in the list, the lowest is the best", is_required=True),
        Column("cutoff_at", TIMESTAMP, "cutoff that the list is for; absent or null: the only one"),
    ),
)

# Integers, so that a sum does not depend on the order. The sums that others are divided by have rows of their own:
# metric "users" of no system, or "weight of <metric>".
SUMS = Schema(
    "sums",
    (
        Column("system", pa.string(), "system of the lists; empty for numbers of users"),
        Column("metric", pa.string(), "one of METRICS, or the name of a divisor"),
        Column("targets", pa.string(), "one of TARGET_KINDS; empty for metrics without targets"),
        Column("segment", pa.string(), "everyone, or users of a segment as dimension: value"),
        Column("values", pa.list_(pa.int64()), "sum over users, plain and in each bootstrap replicate", "2^-20"),
    ),
)
LIST_EXPOSURE = Schema(
    "list_exposure",
    (
        Column("system", pa.string(), "system of the lists; target: the plays in the horizon"),
        Column("track", pa.int32(), "code of the track"),
        Column("n_10", pa.int64(), "users with the track among the first 10 of their list"),
        Column("n_100", pa.int64(), "users with the track among the first 100 of their list"),
        Column("n_hits", pa.int64(), "users counted in n_100 who played the track in the horizon"),
    ),
)
SCORE_BINS = Schema(
    "score_bins",
    (
        Column("segment", pa.string(), "all candidates, repeats or discoveries"),
        Column("bin", pa.int32(), "bin of scores; all bins have the same width in log-odds"),
        Column("n_rows", pa.int64(), "candidates"),
        Column("n_positives", pa.int64(), "candidates that were played in the horizon"),
        Column("score", pa.int64(), "sum of the scores", "2^-20"),
    ),
)
