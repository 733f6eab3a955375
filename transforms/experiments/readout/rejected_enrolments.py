"""Rejected assignments and exposures, as they are written."""

import polars as pl


def as_rejected(rows: pl.DataFrame) -> pl.DataFrame:
    """Convert ENROLMENT_ROWS with a `reason` to REJECTED_ENROLMENTS; rows without one are left out."""
    table = pl.when("is_exposure").then(pl.lit("exposures")).otherwise(pl.lit("assignments"))
    rejected = rows.filter(pl.col("reason").is_not_null())
    return rejected.select(pl.col("user_id", "arm", "reason").cast(pl.String), "at", table=table)
