"""Listens of one user, as rows."""

from typing import Any

import polars as pl

from tests.worlds import AS_OF


def listens(plays: pl.DataFrame, user: str) -> list[dict[str, Any]]:
    """Return the user's plays of 30 s or more that were known before AS_OF, in order."""
    rows = plays.filter(pl.col("user_id") == user).to_dicts()
    known = [row for row in rows if row["action"] == 0 and row["known_at"] < AS_OF]
    return [row for row in known if (row["ms_played"] is None or row["ms_played"] >= 30_000)]
