"""SUMS of several tables, added up, and the names of the files that hold the result of a cutoff."""

import numpy as np
import polars as pl

SUMMARY_FILE, SUMS_FILE = "about.json", "sums.parquet"


def merge_sums(sums: pl.DataFrame) -> pl.DataFrame:
    """SUMS of several tables -> SUMS of all, sorted."""
    keys = ["system", "metric", "targets", "segment"]
    if sums.is_empty():
        return sums
    ordered = sums.sort(keys)
    is_first = ordered.select(pl.struct(keys).rle_id()).to_series().diff().fill_null(1).to_numpy() > 0
    stacked = ordered["values"].list.to_array(len(ordered["values"][0])).to_numpy()
    added = np.add.reduceat(stacked, np.flatnonzero(is_first), axis=0)
    return ordered.filter(pl.Series(is_first)).with_columns(pl.Series("values", added).cast(pl.List(pl.Int64)))
