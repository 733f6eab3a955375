"""PLAYS as the log that recommenders of the next track learn from, and the plays of it to predict."""

from datetime import datetime

import numpy as np
import polars as pl

from models.next_track.contract import Cases, PlayLog
from transforms.events.listening import SESSION_GAP_MINUTES, is_listened


def listens_of(plays: pl.DataFrame) -> pl.DataFrame:
    """Select the plays of 30 s or more from PLAYS of whole users, in order."""
    return plays.filter(is_listened() & pl.col("track").is_not_null())


def to_play_log(listens: pl.DataFrame, num_tracks: int) -> PlayLog:
    """Convert plays of 30 s or more, of whole users in order, to a PlayLog."""
    gap = pl.duration(minutes=SESSION_GAP_MINUTES)
    coded = listens.select("track", "played_at", user=pl.col("user_id").rle_id().cast(pl.Int32))
    is_new = (pl.col("played_at").diff() > gap) | (pl.col("user").diff() != 0)
    columns = coded.select(
        "user",
        "track",
        session=is_new.fill_null(True).cum_sum().cast(pl.Int32) - 1,
        seconds=pl.col("played_at").dt.epoch("us") / 1e6,
    )
    arrays = {name: columns[name].to_numpy() for name in columns.columns}
    return PlayLog(**arrays, num_tracks=num_tracks)


def to_cases(listens: pl.DataFrame, log: PlayLog, starts_at: datetime, ends_at: datetime) -> Cases:
    """Return the plays of a window (the end is not in it) as cases of their log."""
    within = listens.select(pl.col("played_at").is_between(starts_at, ends_at, closed="left")).to_series()
    return Cases(log, np.flatnonzero(within.to_numpy()))


def is_repeat(log: PlayLog) -> np.ndarray:
    """Return whether the user has played the track of each play before: bool [N]."""
    frame = pl.DataFrame({"user": log.user, "track": log.track})
    return frame.select(~pl.struct("user", "track").is_first_distinct()).to_series().to_numpy()
