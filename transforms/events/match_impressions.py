"""Match examples with the impressions of their label window: where each track was first shown to the user."""

from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa

from models.ranker.contract import IMPRESSION_INPUTS, PROPENSITY
from transforms.events.user_samples import sample_users
from transforms.tables.columns import Column, Schema, categories
from transforms.tables.schemas import PLAY, TIMESTAMP, USER_ID
from transforms.tables.surfaces import DISCOVER, HOME

FIRST_IMPRESSIONS = Schema(
    "first_impressions",
    (
        Column("user_id", USER_ID, "the viewer"),
        Column("track", pa.int32(), "code of the track"),
        Column("shown_at", TIMESTAMP, "time of the first impression in the label window"),
        Column("shelf_position", pa.int32(), "position of its shelf on the page, from 0; null: unknown"),
        Column("position", pa.int32(), "position of the track on the shelf, from 0; null: unknown"),
        Column("surface", pa.int32(), "1 home, 2 discover, 3 another; null: unknown"),
        Column("propensity", pa.float32(), "probability with which the policy chose the track there; null: unknown"),
    ),
)
# Columns of examples: the first impression of the track in the label window.
IMPRESSION_COLUMNS = (
    Column("shelf_position", pa.int32(), "position of the shelf of the first impression; -1: not shown; null: unknown"),
    Column("position", pa.int32(), "position of the track on that shelf; -1: not shown; null: unknown"),
    Column("surface", pa.int32(), "surface: 1 home, 2 discover, 3 another; -1: not shown; null: unknown"),
    Column("propensity", pa.float32(), "probability with which it was chosen there; null: not shown, or unknown"),
)
IMPRESSION_NAMES = tuple(column.name for column in IMPRESSION_COLUMNS)
_POSITIONS = ("shelf_position", "position")
_SURFACE_ROWS = {HOME: 1, DISCOVER: 2}
_KEYS = ["user_id", "track"]


def first_impressions(
    impressions: pl.DataFrame,
    *,
    track_codes: pl.DataFrame,
    starts_at: datetime,
    ends_at: datetime,
    share: float,
    seed: int,
) -> pl.DataFrame:
    """Select the first impression of each user and track in a window: IMPRESSION_ROWS -> FIRST_IMPRESSIONS.

    Only of the sampled users (see sample_users()). The rows are those that keep_impressions() selects.
    """
    ids = categories(impressions["track_id"]).rename("track_id").to_frame()
    codes = ids.join(track_codes, on="track_id", how="left", maintain_order="left")["track"].cast(pl.Int32)
    surface = pl.col("surface").cast(pl.String).replace_strict(_SURFACE_ROWS, default=3, return_dtype=pl.Int32)
    coded = impressions.select(
        "user_id",
        codes.gather(impressions["track_id"].to_physical()).alias("track"),
        "shown_at",
        *_POSITIONS,
        surface=pl.when(pl.col("surface").is_not_null()).then(surface),
        propensity=pl.col("propensity").cast(pl.Float32),
    )
    within = coded.filter(pl.col("shown_at").is_between(starts_at, ends_at, closed="left"))
    return earliest_impressions(within.join(sample_users(within, share, seed), on="user_id", how="semi"))


def earliest_impressions(impressions: pl.DataFrame) -> pl.DataFrame:
    """Keep the earliest row of each user and track, of FIRST_IMPRESSIONS of several tables."""
    ordered = impressions.with_columns(pl.col("user_id").cast(pl.String)).sort(FIRST_IMPRESSIONS.names, nulls_last=True)
    return ordered.unique(_KEYS, keep="first", maintain_order=True)


def add_impressions(
    examples: pl.DataFrame, impressions: pl.DataFrame | None, plays: pl.DataFrame, starts_at: datetime
) -> pl.DataFrame:
    """Add IMPRESSION_COLUMNS to examples (user_id, track); without impressions all are null.

    impressions: FIRST_IMPRESSIONS. A track first shown after the user played it in the window counts as not shown: the
    impression did not lead to the play.
    """
    if impressions is None:
        return examples.with_columns(pl.lit(None, pl.Int32).alias(name) for name in IMPRESSION_NAMES[:-1]).with_columns(
            propensity=pl.lit(None, pl.Float32)
        )
    ids = examples.schema["user_id"]
    own = impressions.with_columns(pl.col("user_id").cast(pl.String).cast(ids, strict=False)).drop_nulls("user_id")
    played = plays.filter((pl.col("action") == PLAY) & (pl.col("played_at") >= starts_at))
    first = played.group_by(_KEYS).agg(pl.col("played_at").min())
    is_before = (pl.col("shown_at") <= pl.col("played_at")).fill_null(True)
    shown = own.join(first, on=_KEYS, how="left").filter(is_before).drop("played_at")
    joined = examples.join(shown, on=_KEYS, how="left", maintain_order="left")
    not_shown = pl.col("shown_at").is_null()
    values = (pl.when(not_shown).then(-1).otherwise(name).cast(pl.Int32).alias(name) for name in IMPRESSION_NAMES[:-1])
    return joined.with_columns(values).drop("shown_at")


def encode_impressions(examples: pl.DataFrame) -> dict[str, np.ndarray]:
    """Convert IMPRESSION_COLUMNS of examples to the impression arrays of a Batch (see models.ranker.contract)."""
    rows = {
        name: pl.when(pl.col(name) < 0)
        .then(1)
        .otherwise((pl.col(name) + 2).clip(upper_bound=IMPRESSION_INPUTS[name] - 1))
        for name in _POSITIONS
    }
    rows["surface"] = pl.when(pl.col("surface") > 0).then("surface")
    found = examples.select(value.fill_null(0).cast(pl.Int32).alias(name) for name, value in rows.items())
    return {
        **{name: found[name].to_numpy() for name in rows},
        PROPENSITY: examples["propensity"].fill_null(float("nan")).to_numpy(),
    }
