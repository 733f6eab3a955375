"""The day before a run's moment: how much of the log there is, and impressions that are there twice or lack propensity.

A fault of one day hides in the counts of a long log, so the gate looks at the day itself.
"""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.counts import counts_frame
from transforms.tables.hashing import mix, stable_hash
from transforms.tables.schemas import PLAY

LAST_DAY = "last_day/"
PLAYS_COUNT, IMPRESSIONS_COUNT, LOST_COUNT, KEYS_COUNT, REPEATS_COUNT = (
    f"{LAST_DAY}{name}" for name in ("plays", "impressions", "without_propensity", "keys", "repeats")
)
# Impressions among which repeated ones are counted: those with the smallest hashes, the same in any grouping of tables.
_MAX_KEYS = 50_000
_KEY = ("user_id", "track_id", "surface", "shelf_position", "position", "shown_at")
IMPRESSION_KEYS = Schema(
    "impression_keys",
    (
        Column("key", pa.uint64(), "hash of viewer, card, place and time"),
        Column("n", pa.int64(), "impressions with that key"),
    ),
)


def count_last_day_plays(plays: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    """Count the plays that began within the last day: PLAYS -> COUNTS."""
    rows = _last_day(plays, "played_at", as_of).filter((pl.col("action") == PLAY) & pl.col("track").is_not_null())
    return counts_frame({PLAYS_COUNT: rows.height})


def count_last_day_impressions(impressions: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    """Count the impressions of the last day, and those without propensity: IMPRESSION_ROWS -> COUNTS."""
    rows = _last_day(impressions, "shown_at", as_of)
    return counts_frame({IMPRESSIONS_COUNT: rows.height, LOST_COUNT: rows["propensity"].null_count()})


def impression_keys(impressions: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    """Return the smallest keys of the impressions of the last day: IMPRESSION_ROWS -> IMPRESSION_KEYS."""
    rows = _last_day(impressions, "shown_at", as_of).with_columns(pl.col("shown_at").dt.epoch("us"))
    key = np.zeros(rows.height, dtype=np.uint64)
    for name in _KEY:
        key = mix(key ^ stable_hash(rows[name], seed=0))
    return add_keys(pl.DataFrame({"key": key}).with_columns(n=pl.lit(1, pl.Int64)))


def add_keys(keys: pl.DataFrame) -> pl.DataFrame:
    """Add the counts of equal keys up, and keep the smallest keys: IMPRESSION_KEYS of several tables -> of all."""
    return keys.group_by("key").agg(pl.col("n").sum()).sort("key").head(_MAX_KEYS)


def count_repeats(keys: pl.DataFrame) -> pl.DataFrame:
    """Count keys and the impressions that repeat one: IMPRESSION_KEYS -> COUNTS."""
    return counts_frame({KEYS_COUNT: keys.height, REPEATS_COUNT: int(keys["n"].sum()) - keys.height})


def _last_day(rows: pl.DataFrame, column: str, as_of: datetime) -> pl.DataFrame:
    return rows.filter(pl.col(column).is_between(as_of - timedelta(days=1), as_of, closed="left"))
