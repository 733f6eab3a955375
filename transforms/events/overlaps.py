"""Plays of a user that overlap themselves: one play that two services reported, seconds apart."""

import polars as pl

from transforms.tables.schemas import PLAY

# Two reports of one play begin at most this long apart; later ones may tell of a player that was left running.
_MAX_GAP_US = 60_000_000


def overlaps_itself(plays: pl.DataFrame) -> pl.Series:
    """Return whether a play begins while the user's play of the same recording before it goes on, at most 60 s later.

    plays: PLAYS in order of user and time; `track` stands for the recording. Plays at the same moment do not overlap:
    logs that know only minutes have them.
    """
    gap = pl.col("played_at").diff().dt.total_microseconds()
    is_near = (gap <= _MAX_GAP_US) & ~pl.col("user_id").rle_id().diff().cast(pl.Boolean)
    marked = plays.select("user_id", "track", "played_at", "ms_played", "action", is_near=is_near.fill_null(False))
    # few plays have another one within the minute: only these are sorted
    close = marked.with_row_index("row").filter(
        (pl.col("is_near") | pl.col("is_near").shift(-1, fill_value=False)) & (pl.col("action") == PLAY)
    )
    ordered = close.sort("user_id", "track", maintain_order=True)
    is_same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in ("user_id", "track"))
    goes_on = gap < pl.col("ms_played").shift(1).cast(pl.Int64) * 1000
    found = ordered.filter(is_same & gap.is_between(1, _MAX_GAP_US) & goes_on)["row"]
    return plays.select(pl.int_range(pl.len()).is_in(found.implode())).to_series()
