"""Sums over the plays of the listeners of a bucket: own tracks and artists, starts of sessions, taste."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.now_playing.queues.queue_tables import RECENT, SHARE_WINDOW
from transforms.now_playing.skips.session_plays import SessionPlays, session_plays, sum_before
from transforms.now_playing.skips.skip_features import TrackFigures

_DAY = 86_400.0
_LEAST_DAYS = 1.0
_UNIT = 2**20
# Sessions of a user are told apart by the second in which they began.
_SECOND = pl.col("started").floor().cast(pl.Int64)
# Last listens from which the share of known tracks is taken, drawn to the middle by as many; bounds of the share.
_SHARE_LISTENS, _PRIOR_LISTENS = 200, 10
_MIN_FAMILIAR, _MAX_FAMILIAR = 2, 8


@dataclass(frozen=True)
class QueueListeners:
    """U users; `user` is a number from 0.

    users: user, user_id, market (code), user_plays, user_skips, familiar_per_10. taste: [U, V], only its direction
    counts. own: user, track, plays, skips, listens, days, activation, listened_at (seconds since 1970; null: never).
    artists: user, artist, plays, skips. starts: user, track, weight, started, of first listens of sessions. sessions:
    user, code (the second in which it began), started, track, artist, skip, of all plays in order. recent: user, track,
    of the last hours. tired: user, artist, who was skipped twice in these.
    """

    users: pl.DataFrame
    taste: np.ndarray
    own: pl.DataFrame
    artists: pl.DataFrame
    starts: pl.DataFrame
    sessions: pl.DataFrame
    recent: pl.DataFrame
    tired: pl.DataFrame


def queue_listeners(plays: pl.DataFrame, facts: TrackFigures, duration_ms: np.ndarray, now: float) -> QueueListeners:
    """Sum up PLAYS of whole users in order, all known before `now`, in seconds since 1970."""
    found = session_plays(plays, duration_ms)
    skips = np.nan_to_num(found.is_skip)
    rows = _rows(found, skips, facts, now)
    # whole numbers: their sums are the same in every order
    listened = ((1 - pl.col("skip")) * (pl.col("days") + _LEAST_DAYS) ** -0.5 * _UNIT).round().cast(pl.Int64)
    sums = {"plays": pl.len().cast(pl.Float64), "skips": pl.col("skip").sum()}
    own = rows.group_by("user", "track", maintain_order=True).agg(
        **sums,
        days=pl.col("days").min(),
        activation=listened.sum(),
        listens=(1 - pl.col("skip")).sum(),
        listened_at=pl.col("seconds").filter(pl.col("skip") == 0).max(),
    )
    starts = rows.filter(pl.col("position") == 0, pl.col("skip") == 0)
    late = rows.filter(pl.col("days") < RECENT.total_seconds() / _DAY)
    ids = plays["user_id"].unique(maintain_order=True)
    return QueueListeners(
        users=_users(plays, ids, rows, found),
        taste=_tastes(len(ids), found, facts, skips),
        own=own,
        artists=rows.filter(pl.col("artist") >= 0).group_by("user", "artist", maintain_order=True).agg(**sums),
        starts=starts.group_by("user", "track", maintain_order=True).agg(
            weight=listened.sum(), started=pl.col("seconds").max()
        ),
        sessions=rows.select("user", "started", "track", "artist", "skip", code=_SECOND),
        recent=late.select("user", "track").unique(maintain_order=True),
        tired=late.filter(pl.col("artist") >= 0)
        .group_by("user", "artist", maintain_order=True)
        .agg(pl.col("skip").sum())
        .filter(pl.col("skip") >= 2)
        .select("user", "artist"),
    )


def _rows(found: SessionPlays, skips: np.ndarray, facts: TrackFigures, now: float) -> pl.DataFrame:
    """Return a row for each play, in order."""
    return pl.DataFrame(
        {
            "user": found.user,
            "track": found.track,
            "artist": facts.artist[found.track],
            "skip": skips,
            "days": np.maximum((now - found.seconds) / _DAY, 0.0),
            "position": found.position,
            "seconds": found.seconds,
            "started": found.seconds[np.arange(len(found)) - found.position],
        },
        schema_overrides={"track": pl.Int32, "artist": pl.Int32},
    )


def _users(plays: pl.DataFrame, ids: pl.Series, rows: pl.DataFrame, found: SessionPlays) -> pl.DataFrame:
    """Return the users in order; the share of known tracks is that among their last listens."""
    known = sum_before(found.user << 32 | found.track, 1 - np.nan_to_num(found.is_skip)) > 0
    last = rows.with_columns(known=pl.Series(known)).filter(pl.col("skip") == 0)
    share = last.group_by("user").agg(
        known=pl.col("known").tail(_SHARE_LISTENS).sum(), listens=pl.len().clip(upper_bound=_SHARE_LISTENS)
    )
    totals = rows.group_by("user").agg(user_plays=pl.len().cast(pl.Float64), user_skips=pl.col("skip").sum())
    market = plays.group_by("user_id", maintain_order=True).agg(pl.col("market").max())["market"]
    users = pl.DataFrame({"user_id": ids.cast(pl.String), "market": market}).with_row_index("user")
    joined = users.cast({"user": pl.Int64}).join(totals, on="user", how="left").join(share, on="user", how="left")
    rate = (pl.col("known").fill_null(0) + _PRIOR_LISTENS / 2) / (pl.col("listens").fill_null(0) + _PRIOR_LISTENS)
    wish = (rate * SHARE_WINDOW).round().cast(pl.Int32).clip(_MIN_FAMILIAR, _MAX_FAMILIAR)
    return joined.sort("user").select(
        "user", "user_id", "market", pl.col("user_plays", "user_skips").fill_null(0.0), familiar_per_10=wish
    )


def _tastes(num_users: int, found: SessionPlays, facts: TrackFigures, skips: np.ndarray) -> np.ndarray:
    vector = facts.vector[found.track] * (1 - skips)[:, None]
    columns = [np.bincount(found.user, column, minlength=num_users) for column in vector.T]
    return np.column_stack(columns) if columns else np.zeros((num_users, 0))
