"""What stands on weekly shelves since earlier runs of the week."""

import polars as pl
import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import CANDIDATE_KEYS, USER_ID

CARRY_OVER = Schema(
    "carry_over",
    (
        Column("user_id", USER_ID, "whose shelf"),
        CANDIDATE_KEYS["track"],
        CANDIDATE_KEYS["seed_track"],
        Column("source", pa.string(), "the source that had proposed it then"),
        Column("place", pa.int32(), "its position on the shelf, from 0"),
        Column("day", pa.date32(), "of the run whose shelf it is"),
    ),
)


def latest_carry_over(users: pl.DataFrame, carry_over: pl.DataFrame | None) -> pl.DataFrame:
    """Return the rows of CARRY_OVER of each user's latest shelf; user_id takes the Enum type of `users`.

    Not every run of a week shows the shelf to a user who has it: other shelves may be worth more on a day.
    """
    rows = CARRY_OVER.frame() if carry_over is None else carry_over
    here = rows.with_columns(pl.col("user_id").cast(users["user_id"].dtype, strict=False))
    known = here.filter(pl.col("user_id").is_not_null())
    return known.filter(pl.col("day") == pl.col("day").max().over("user_id"))
