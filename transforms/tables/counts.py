"""Counts by name, which buckets can add up."""

import polars as pl
import pyarrow as pa

from transforms.tables.buckets import Element
from transforms.tables.columns import Column, Schema

COUNTS = Schema("counts", (Column("what", pa.string(), "what was counted"), Column("n", pa.int64(), "how many")))


def counts_frame(counts: dict[str, int]) -> pl.DataFrame:
    """COUNTS of a few numbers."""
    return pl.DataFrame({"what": list(counts), "n": list(counts.values())}, schema={"what": pl.String, "n": pl.Int64})


def sum_counts(counts: pl.DataFrame) -> pl.DataFrame:
    """COUNTS of several tables -> COUNTS of all."""
    return counts.group_by("what").agg(pl.col("n").sum()).sort("what")


def counts_by_name(element: Element) -> dict[str, int]:
    """The counts of the one table that CombineBuckets yields."""
    table = element[1]
    return dict(zip(table.column("what").to_numpy().tolist(), table.column("n").to_numpy().tolist(), strict=True))
