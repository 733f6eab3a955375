"""SKIP_EXAMPLES: plays with what was known before them, and what became of them."""

import pyarrow as pa

from transforms.now_playing.skips.skip_features import SKIP_FEATURES
from transforms.tables.columns import Column, Schema

SKIP_EXAMPLES = Schema(
    "skip_examples",
    (
        Column("user_key", pa.int64(), "hash of the user's id"),
        Column("number", pa.int64(), "number of the play among the user's"),
        Column("is_skip", pa.float32(), "1: played under 30 s; 0: longer"),
        Column("is_complete", pa.float32(), "1: played for 80 % of its length; null: unknown"),
        *(Column(name, pa.float32(), "see skip_features.py; null: unknown") for name in SKIP_FEATURES),
    ),
)
