"""CARRY_OVER: the tracks that earlier runs of the same period put on shelves that are refreshed once a period."""

import polars as pl
import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import CANDIDATE_KEYS, USER_ID

CARRY_OVER = Schema(
    "carry_over",
    (
        Column("user_id", USER_ID, "the user whose shelf it is"),
        CANDIDATE_KEYS["track"],
        CANDIDATE_KEYS["seed_track"],
        Column("source", pa.string(), "the source that had proposed the track"),
        Column("position", pa.int32(), "position of the track on the shelf, from 0"),
        Column("day", pa.date32(), "day of the run whose shelf it is"),
    ),
)


def latest_carry_over(users: pl.DataFrame, carry_over: pl.DataFrame | None) -> pl.DataFrame:
    """Return the rows of CARRY_OVER of each user's latest shelf; user_id takes the Enum type of `users`.

    A user may have had the shelf on any day of the period: on another day other shelves may have a higher value.
    """
    rows = CARRY_OVER.frame() if carry_over is None else carry_over
    cast = rows.with_columns(pl.col("user_id").cast(users["user_id"].dtype, strict=False))
    of_users = cast.filter(pl.col("user_id").is_not_null())
    return of_users.filter(pl.col("day") == pl.col("day").max().over("user_id"))
