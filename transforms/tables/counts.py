"""Tables of named counts, which can be summed over buckets."""

import polars as pl
import pyarrow as pa

from transforms.tables.buckets import Element
from transforms.tables.columns import Column, Schema

COUNTS = Schema("counts", (Column("name", pa.string(), "name of the count"), Column("n", pa.int64(), "the count")))


def counts_frame(counts: dict[str, int]) -> pl.DataFrame:
    """Build a COUNTS frame from counts by name."""
    return pl.DataFrame({"name": list(counts), "n": list(counts.values())}, schema={"name": pl.String, "n": pl.Int64})


def sum_counts(counts: pl.DataFrame) -> pl.DataFrame:
    """Sum COUNTS of several tables by name."""
    return counts.group_by("name").agg(pl.col("n").sum()).sort("name")


def counts_by_name(element: Element) -> dict[str, int]:
    """Return the counts of the one COUNTS table that CombineBuckets yields."""
    table = element[1]
    return dict(zip(table.column("name").to_numpy().tolist(), table.column("n").to_numpy().tolist(), strict=True))
