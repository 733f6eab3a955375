"""Tables of off-policy evaluation: logged cards, the choices that made their pages, and sums over these."""

import pyarrow as pa

from transforms.events.impressions import IMPRESSIONS
from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import EVENT_ROWS, NAME, TIMESTAMP, USER_ID

# Columns of impressions that only homeshelf replay reads.
REPLAY_COLUMNS = Schema(
    "replay_columns",
    (
        Column("outcome", pa.float64(), "outcome of the card, such as 1 for a click; not read with --events"),
        Column(
            "target_propensity",
            pa.float64(),
            "probability with which the target policy chooses the track there; null: it shows none there; not read with"
            " --run",
        ),
        Column(
            "target_shelf_propensity",
            pa.float64(),
            "probability with which the target policy chooses the shelf there; null: 1; not read with --run",
        ),
    ),
)
LOGGED_CARDS = IMPRESSIONS.extended("logged_cards", *REPLAY_COLUMNS.columns)
LOGGED_CARD_ROWS = Schema(
    "logged_card_rows",
    tuple(
        Column(one.name, USER_ID if one.name == "user_id" else NAME if one.type == pa.string() else one.type, "as read")
        for one in LOGGED_CARDS.columns
    ),
)
# A row for each choice of a page: first that of the shelf (position -1), then those of its tracks.
LOGGED_CHOICES = Schema(
    "logged_choices",
    (
        Column("user_id", USER_ID, "the viewer"),
        Column("request", pa.int64(), "hash of the request"),
        Column("shown_at", TIMESTAMP, "time of the impression"),
        Column("shelf_id", NAME, "the shelf; null: unknown"),
        Column("shelf_position", pa.int32(), "position of the shelf on the page, from 0"),
        Column("track_id", NAME, "the track; null: the choice of the shelf"),
        Column("position", pa.int32(), "position of the track on the shelf, from 0; -1: the choice of the shelf"),
        Column("propensity", pa.float64(), "probability that the log states for the choice; null: unknown"),
        Column(
            "target_propensity", pa.float64(), "probability under the target; null: the target chooses nothing there"
        ),
        Column("score", pa.float64(), "what the target's ranker predicts of the choice; null: unknown"),
        Column("target_score", pa.float64(), "mean of `score` over the choices of the target; null: unknown"),
        Column("target_unlogged", pa.float64(), "probability that the target chooses what the log never shows"),
        Column("outcome", pa.float64(), "outcome of the track; 0 for a shelf"),
    ),
)
# What the log ever shows.
SHOWN = Schema(
    "shown",
    (Column("shelf_id", pa.string(), "a shelf; null: none"), Column("track_id", pa.string(), "a track; null: none")),
)
OUTCOME_EVENTS = EVENT_ROWS.extended("outcome_events", Column("request_id", NAME, "request that the event followed"))
# Sums over users that any number of buckets can add up; see sum_choices().
CHOICE_SUMS = Schema(
    "choice_sums",
    (
        Column("statistic", pa.string(), "what is summed, see statistics.py and choice_sums.py"),
        Column("shelf_id", pa.string(), "the shelf, in sums by shelf"),
        Column("shelf_position", pa.int32(), "position of the shelf; -1: of the whole page"),
        Column("position", pa.int32(), "position of the track; -1: the choice of the shelf"),
        Column("fold", pa.int32(), "half of the users"),
        Column("values", pa.list_(pa.int64()), "the sum, and in each bootstrap replicate where they are needed"),
    ),
)
