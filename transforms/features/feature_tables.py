"""Schemas of tables that hold every feature: candidates, examples and scored candidates."""

import pyarrow as pa

from transforms.events.match_impressions import IMPRESSION_COLUMNS
from transforms.features.features import FEATURES
from transforms.features.rewards import LABELS, PROBABILITIES, REWARDS
from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import CANDIDATE_KEYS, TIMESTAMP

CANDIDATES = CANDIDATE_KEYS.extended("candidates", *(Column(one.name, pa.float32(), one.sentence) for one in FEATURES))


EXAMPLES = CANDIDATES.extended(
    "examples",
    Column("cutoff_at", TIMESTAMP, "the moment of the candidate; every feature is as of then"),
    *(
        Column(label, pa.float32(), f"1 if {reward.sentence}; null: unknown, or not settled yet")
        for label, reward in zip(LABELS, REWARDS, strict=True)
    ),
    *IMPRESSION_COLUMNS,
)
SCORED = CANDIDATES.extended(
    "scored",
    Column("score", pa.float32(), "expected reward: the probabilities of all rewards times their weights"),
    *(
        Column(column, pa.float32(), f"probability of: {reward.sentence}; null: the ranker does not predict it")
        for column, reward in zip(PROBABILITIES, REWARDS, strict=True)
    ),
)
# The published examples, with ids instead of codes.
FEATURE_ROWS = EXAMPLES.extended("features", Column("track_id", pa.string(), "the track"))
HOLDOUT_ROWS = Schema("holdout", FEATURE_ROWS.columns)
