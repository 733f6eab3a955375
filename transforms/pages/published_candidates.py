"""Schemas of the candidates that a run publishes: what pages are composed of, and all features of some users."""

import pyarrow as pa

from transforms.features.feature_tables import SCORED
from transforms.features.features import FEATURES
from transforms.features.rewards import PROBABILITIES
from transforms.pages.candidate_context import select_page_columns
from transforms.pages.shelves.shelves import SHELVES
from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import CANDIDATE_KEYS, USER_ID

SIGNIFICANT_DIGITS = 3
_PAGE_COLUMNS = select_page_columns(SCORED.frame(), SHELVES).columns
_KEYS = (Column("user_id", USER_ID, "the user"), Column("track_id", pa.string(), "the track"))

# With the catalog of the run its pages can be composed of them again.
RANKED = Schema(
    "candidates",
    (
        *_KEYS,
        SCORED["score"],
        *(
            Column(name, pa.float32(), f"{SCORED[name].meaning}; {SIGNIFICANT_DIGITS} significant digits")
            for name in PROBABILITIES
        ),
        SCORED["source"],
        SCORED["sources"],
        Column("seed_track_id", pa.string(), "the user's track that led to the candidate; null: none"),
        *(CANDIDATE_KEYS[name] for name in ("carried_over_position", "daypart", "market")),
        *(SCORED[one.name] for one in FEATURES if one.name in _PAGE_COLUMNS),
    ),
)
CANDIDATE_FEATURES = Schema("candidate_features", (*_KEYS, *(SCORED[one.name] for one in FEATURES)))
