"""Drop the rows of users who requested erasure, before any other stage."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.tables.buckets import MapBuckets, Opened, open_frame
from transforms.tables.columns import Column, Schema, categories
from transforms.tables.counts import counts_frame
from transforms.tables.schemas import USER_ID

ERASED = Schema("erased", (Column("user_id", USER_ID, "the user to be erased", is_required=True),))


@dataclass(eq=False)
class DropErased(beam.PTransform):
    """Apply drop_erased() to every table of a schema with user_id; erased: one ERASED table."""

    schema: Schema
    erased: beam.PCollection

    def expand(self, tables: beam.PCollection) -> beam.PCollection:
        """Filter in one pass; the erased ids are only in the memory of workers."""
        return tables | MapBuckets(drop_erased, out=self.schema, erased=Opened(self.erased, open_frame))


def drop_erased(rows: pl.DataFrame, *, erased: pl.DataFrame) -> pl.DataFrame:
    """Drop the rows of erased users; rows without a user stay."""
    if erased.is_empty() or rows.is_empty():
        return rows
    is_other = ~categories(rows["user_id"]).is_in(erased["user_id"].cast(pl.String).implode())
    kept = rows.filter(is_other.gather(rows["user_id"].to_physical()).fill_null(True))
    # as strings: the dictionary built from them has no entry for erased users
    return kept.with_columns(pl.col("user_id").cast(pl.String))


def select_erased(users: pl.DataFrame) -> pl.DataFrame:
    """Select the users with the `erased` flag: USER_ROWS -> ERASED."""
    return users.filter(pl.col("erased").fill_null(False)).select("user_id")


def union_erased(erased: pl.DataFrame) -> pl.DataFrame:
    """Merge ERASED of several tables, sorted and distinct."""
    return erased.select(pl.col("user_id").cast(pl.String).drop_nulls().unique().sort())


def count_erased(rows: pl.DataFrame, *, erased: pl.DataFrame) -> pl.DataFrame:
    """Count the rows of erased users: COUNTS."""
    return counts_frame({"erased": rows.height - drop_erased(rows, erased=erased).height})
