"""Reasons of rejection: conditions on rows, of which the first that holds counts."""

from collections.abc import Mapping

import polars as pl


def first_reason(conditions: Mapping[str, pl.Expr | pl.Series]) -> pl.Expr:
    """Return the name of the first condition that holds for each row, a string; null: none does."""
    return pl.coalesce(pl.when(holds).then(pl.lit(reason)) for reason, holds in conditions.items())


def is_blank(column: str) -> pl.Expr:
    """Return whether an id is null or empty."""
    return pl.col(column).is_null() | (pl.col(column).cast(pl.String) == "")
