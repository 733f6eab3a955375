"""The definition of a listen, a skip and a session."""

import polars as pl

from transforms.tables.schemas import PLAY

SESSION_GAP_MINUTES = 30
# A play under 30 s is a skip (the streaming services' own definition of a play that counts).
SKIP_MS = 30_000


def is_listened() -> pl.Expr:
    """Return whether a row of PLAYS is a play of 30 s or more; a play of unknown duration counts as one."""
    return (pl.col("action") == PLAY) & (pl.col("ms_played").fill_null(SKIP_MS) >= SKIP_MS)
