"""A plain loop over the plays of users, as windows should have them."""

from typing import Any

import polars as pl

from models.sequence.contract import CONTEXT_PLAYS, WINDOW_PLAYS

NO_DURATIONS = pl.Series([None] * 40, dtype=pl.Int64)


def plain_windows(plays: pl.DataFrame) -> list[dict[str, Any]]:
    """Return user, tracks and predicted tracks of every training window."""
    found = []
    for (user,), rows in plays.filter(pl.col("action") == 0).partition_by("user_id", as_dict=True).items():
        columns = [-1, *rows["track"]]
        starts = [0]
        while starts[-1] + WINDOW_PLAYS + 1 < len(columns):
            starts.append(starts[-1] + WINDOW_PLAYS - CONTEXT_PLAYS)
        for number, start in enumerate(starts):
            window = columns[start : start + WINDOW_PLAYS + 1]
            first = 1 if number == 0 else CONTEXT_PLAYS + 1
            found.append({"user": user, "number": number, "tracks": window, "predicted": window[first:]})
    return found
