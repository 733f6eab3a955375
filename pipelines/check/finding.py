"""Finding: what a check looked at, and what it found wrong."""

from typing import NamedTuple

import polars as pl


class Finding(NamedTuple):
    """One claim about pages.

    claim: what must hold. num_checked: rows that it was checked on. violations: user_id, what; a row for each that is
    wrong.
    """

    claim: str
    num_checked: int
    violations: pl.DataFrame


def find_wrong(claim: str, rows: pl.DataFrame, is_wrong: pl.Expr | pl.Series, what: str) -> Finding:
    """Check rows; null is not wrong. what: the column that names a wrong row."""
    wrong = rows.filter(is_wrong.fill_null(False))
    return Finding(claim, len(rows), wrong.select("user_id", what=pl.col(what).cast(pl.String)))
