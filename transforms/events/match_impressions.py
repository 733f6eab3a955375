"""How candidates were shown: from the impressions of a label window to what bends the labels of its examples."""

from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa

from models.ranker.contract import IMPRESSION_INPUTS, PROPENSITY
from transforms.events.user_samples import sample_users
from transforms.tables.columns import Column, Schema, categories
from transforms.tables.schemas import IMPRESSIONS, NAME, PLAY, TIMESTAMP, USER_ID
from transforms.tables.surfaces import DISCOVER, HOME

# IMPRESSIONS as they are read.
IMPRESSION_ROWS = Schema(
    "impression_rows",
    (
        Column("user_id", USER_ID, "as read"),
        Column("track_id", NAME, "as read"),
        Column("surface", NAME, "as read"),
        *(IMPRESSIONS[name] for name in ("shown_at", "shelf_position", "position", "propensity")),
    ),
)
FIRST_IMPRESSIONS = Schema(
    "shown",
    (
        Column("user_id", USER_ID, "who saw it"),
        Column("track", pa.int32(), "code of the track"),
        Column("shown_at", TIMESTAMP, "when first in the label window"),
        Column("shelf_position", pa.int32(), "place of the shelf then; null: not known"),
        Column("position", pa.int32(), "place on the shelf then; null: not known"),
        Column("surface", pa.int32(), "row of the surface, as in EXPOSURE"),
        Column("propensity", pa.float32(), "probability with which it was chosen then; null: not known"),
    ),
)
# Beside the labels of an example.
IMPRESSION_COLUMNS = (
    Column(
        "shelf_position", pa.int32(), "place of the shelf where it was first shown in the label window; -1: not shown"
    ),
    Column("position", pa.int32(), "place on that shelf; -1: not shown; null: not known"),
    Column("surface", pa.int32(), "surface: 1 home, 2 discover, 3 another; -1: not shown; null: not known"),
    Column("propensity", pa.float32(), "probability with which it was chosen then; null: not shown, or not known"),
)
_NAMES = tuple(column.name for column in IMPRESSION_COLUMNS)
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
    """IMPRESSION_ROWS -> SHOWN of a window, of the sampled users.

    Rows without a user, a time or a known track do not count.
    """
    ids = categories(impressions["track_id"]).rename("track_id").to_frame()
    codes = ids.join(track_codes, on="track_id", how="left", maintain_order="left")["track"].cast(pl.Int32)
    surface = pl.col("surface").cast(pl.String).replace_strict(_SURFACE_ROWS, default=3, return_dtype=pl.Int32)
    coded = impressions.select(
        "user_id",
        codes.gather(impressions["track_id"].to_physical()).alias("track"),
        "shown_at",
        *(pl.when(pl.col(place) >= 0).then(pl.col(place)).alias(place) for place in _POSITIONS),
        surface=pl.when(pl.col("surface").is_not_null()).then(surface),
        propensity=pl.when(pl.col("propensity").is_between(0, 1, closed="right")).then("propensity").cast(pl.Float32),
    )
    within = pl.col("shown_at").is_between(starts_at, ends_at, closed="left")
    counting = coded.filter(within & pl.col("user_id").is_not_null() & pl.col("track").is_not_null())
    return earliest_impressions(counting.join(sample_users(counting, share, seed), on="user_id", how="semi"))


def earliest_impressions(shown: pl.DataFrame) -> pl.DataFrame:
    """SHOWN of several tables -> SHOWN: of a user and a track the first time."""
    ordered = shown.with_columns(pl.col("user_id").cast(pl.String)).sort(FIRST_IMPRESSIONS.names, nulls_last=True)
    return ordered.unique(_KEYS, keep="first", maintain_order=True)


def add_impressions(
    examples: pl.DataFrame, shown: pl.DataFrame | None, plays: pl.DataFrame, starts_at: datetime
) -> pl.DataFrame:
    """Examples -> the same with EXPOSURES; all are null where nobody says what was shown.

    What was shown after the user had played it in the window has not led to the play, and counts as not shown.
    """
    if shown is None:
        return examples.with_columns(pl.lit(None, pl.Int32).alias(name) for name in _NAMES[:-1]).with_columns(
            propensity=pl.lit(None, pl.Float32)
        )
    ids = examples.schema["user_id"]
    own = shown.with_columns(pl.col("user_id").cast(pl.String).cast(ids, strict=False)).drop_nulls("user_id")
    played = plays.filter((pl.col("action") == PLAY) & (pl.col("played_at") >= starts_at))
    first = played.group_by(_KEYS).agg(pl.col("played_at").min())
    led = own.join(first, on=_KEYS, how="left").filter((pl.col("shown_at") <= pl.col("played_at")).fill_null(True))
    joined = examples.join(led.drop("played_at"), on=_KEYS, how="left", maintain_order="left")
    not_shown = pl.col("shown_at").is_null()
    places = (pl.when(not_shown).then(-1).otherwise(name).cast(pl.Int32).alias(name) for name in _NAMES[:-1])
    return joined.with_columns(places).drop("shown_at")


def encode_impressions(examples: pl.DataFrame) -> dict[str, np.ndarray]:
    """EXPOSURES of examples -> the arrays that stand beside a Batch (see models.ranker.contract)."""
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
