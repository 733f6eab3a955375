"""The plays of users as arrays, with their sessions."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.events.listening import SESSION_GAP_MINUTES, SKIP_MS
from transforms.tables.groups import rank_in_run
from transforms.tables.schemas import PLAY

_COMPLETE_SHARE = 0.8
_DAY = 86_400.0


@dataclass(frozen=True)
class SessionPlays:
    """N plays by user and time.

    user, track, session: int [N]; session ascends. seconds: since 1970. is_skip, is_complete: float, NaN where the
    duration is unknown. is_manual, is_shuffle: float, NaN where unknown.
    """

    user: np.ndarray
    track: np.ndarray
    session: np.ndarray
    seconds: np.ndarray
    is_skip: np.ndarray
    is_complete: np.ndarray
    is_manual: np.ndarray
    is_shuffle: np.ndarray

    def __len__(self) -> int:
        """Return the number of plays."""
        return len(self.track)

    @property
    def position(self) -> np.ndarray:
        """Return the place of each play in its session, from 0."""
        return rank_in_run(self.session)


def session_plays(plays: pl.DataFrame, duration_ms: np.ndarray) -> SessionPlays:
    """Convert PLAYS of whole users in order; duration_ms: of each track, NaN where unknown."""
    user = plays["user_id"].rle_id() if len(plays) else pl.Series("user_id", [], dtype=pl.UInt32)
    rows = plays.with_columns(user=user.cast(pl.Int64)).filter(pl.col("action") == PLAY, pl.col("track").is_not_null())
    columns = rows.select(
        "user",
        "track",
        seconds=pl.col("played_at").dt.epoch("us") / 1e6,
        ms=pl.col("ms_played").cast(pl.Float64),
        is_manual=pl.col("is_manual").cast(pl.Float64),
        is_shuffle=pl.col("is_shuffle").cast(pl.Float64),
    )
    values = {name: columns[name].fill_null(np.nan).to_numpy() for name in ("ms", "is_manual", "is_shuffle")}
    track, seconds, of_user = (columns[name].to_numpy() for name in ("track", "seconds", "user"))
    ends = seconds + np.nan_to_num(values["ms"]) / 1000
    pause = seconds[1:] - ends[:-1]
    begins = np.append(True, (np.diff(of_user) != 0) | (pause > SESSION_GAP_MINUTES * 60))[: len(track)]
    is_known = np.isfinite(values["ms"])
    share = values["ms"] / duration_ms[track] if len(track) else values["ms"]
    return SessionPlays(
        user=of_user,
        track=track.astype(np.int64),
        session=np.cumsum(begins) - 1,
        seconds=seconds,
        is_skip=np.where(is_known, values["ms"] < SKIP_MS, np.nan),
        is_complete=np.where(np.isfinite(share), share >= _COMPLETE_SHARE, np.nan),
        is_manual=values["is_manual"],
        is_shuffle=values["is_shuffle"],
    )


def sum_before(key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the sum of `value` over the earlier rows with the same key: float64 [N]."""
    order = np.argsort(key, kind="stable")
    running = np.cumsum(value[order]) - value[order]
    ordered = key[order]
    is_first = np.append(True, ordered[1:] != ordered[:-1])[: len(key)]
    base = running[np.flatnonzero(is_first)]
    found = np.empty(len(key))
    found[order] = running - base[np.cumsum(is_first) - 1] if len(key) else running
    return found


def days_since_before(key: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Return the days since the row before with the same key, NaN where there is none: float64 [N]."""
    order = np.argsort(key, kind="stable")
    ordered, at = key[order], seconds[order]
    days = np.append(np.nan, np.where(ordered[1:] == ordered[:-1], np.diff(at) / _DAY, np.nan))[: len(key)]
    found = np.empty(len(key))
    found[order] = days
    return found
