"""Drop the rows of users who asked to be forgotten, before any stage has seen them."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.tables.buckets import MapBuckets, Opened, open_frame
from transforms.tables.columns import Column, Schema, categories
from transforms.tables.counts import counts_frame
from transforms.tables.schemas import USER_ID

ERASED = Schema("erased", (Column("user_id", USER_ID, "who is to be forgotten", is_required=True),))


@dataclass(eq=False)
class DropErased(beam.PTransform):
    """drop_erased() on every table, of whichever schema with a user_id; erased: the one table of ERASED."""

    schema: Schema
    erased: beam.PCollection

    def expand(self, tables: beam.PCollection) -> beam.PCollection:
        """One pass; the ids are in every worker's memory, and nowhere else."""
        return tables | MapBuckets(drop_erased, out=self.schema, erased=Opened(self.erased, open_frame))


def drop_erased(rows: pl.DataFrame, *, erased: pl.DataFrame) -> pl.DataFrame:
    """Rows -> those of others; rows of nobody stay."""
    if erased.is_empty() or rows.is_empty():
        return rows
    is_other = ~categories(rows["user_id"]).is_in(erased["user_id"].cast(pl.String).implode())
    kept = rows.filter(is_other.gather(rows["user_id"].to_physical()).fill_null(True))
    # as strings: the dictionary that comes of them has no entry for who is gone
    return kept.with_columns(pl.col("user_id").cast(pl.String))


def select_erased(users: pl.DataFrame) -> pl.DataFrame:
    """USER_ROWS -> ERASED: those with the flag."""
    return users.filter(pl.col("erased").fill_null(False)).select("user_id")


def union_erased(erased: pl.DataFrame) -> pl.DataFrame:
    """ERASED of several tables -> ERASED of all, sorted."""
    return erased.select(pl.col("user_id").cast(pl.String).drop_nulls().unique().sort())


def count_erased(rows: pl.DataFrame, *, erased: pl.DataFrame) -> pl.DataFrame:
    """Any rows -> COUNTS: how many belong to erased users."""
    return counts_frame({"erased": rows.height - drop_erased(rows, erased=erased).height})
