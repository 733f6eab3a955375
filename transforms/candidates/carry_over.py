"""What stands on weekly shelves since earlier runs of the week."""

import polars as pl
import pyarrow as pa

from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import CANDIDATE_KEYS, USER_ID

WEEKLY = Schema(
    "weekly",
    (
        Column("user_id", USER_ID, "whose shelf"),
        CANDIDATE_KEYS["track"],
        CANDIDATE_KEYS["because_track"],
        Column("source", pa.string(), "the source that had proposed it then"),
        Column("place", pa.int32(), "its position on the shelf, from 0"),
        Column("day", pa.date32(), "of the run whose shelf it is"),
    ),
)


def on_shelves_of(users: pl.DataFrame, weekly: pl.DataFrame | None) -> pl.DataFrame:
    """WEEKLY of these users (user_id: an Enum), as their ids are coded, of the latest shelf of each; None: of nobody.

    Not every run of a week shows the shelf to a user who has it: other shelves may be worth more on a day.
    """
    rows = WEEKLY.frame() if weekly is None else weekly
    here = rows.with_columns(pl.col("user_id").cast(users["user_id"].dtype, strict=False))
    known = here.filter(pl.col("user_id").is_not_null())
    return known.filter(pl.col("day") == pl.col("day").max().over("user_id"))
