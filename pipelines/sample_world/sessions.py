"""Days, sessions and hours of listening in the sample world."""

from dataclasses import dataclass

import numpy as np

from pipelines.sample_world.listeners import Listeners
from pipelines.sample_world.profile import HOUR_SHARE, SESSION_PLAYS
from transforms.events.listening import SESSION_GAP_MINUTES

_HOUR_MS = 3_600_000
DAY_MS = 24 * _HOUR_MS
_SESSION_GAP_MS = SESSION_GAP_MINUTES * 60_000
# Sessions on a day with plays: one, and Poisson(MORE_SESSIONS * sqrt(share of active days)) more. Calibrated to
# PLAYS_PER_ACTIVE_DAY of listeners with long histories; others have fewer.
MORE_SESSIONS = 5.5
_FIRST_PLAY_DELAY_MS = 60_000  # from the creation of an account to its first play
# The hour is drawn for the plays, which are half an hour after the start of their session on average.
_START_BEFORE_PLAYS_HOURS = 0.5
_PEAK_OF_PROFILE = 15.0  # hour of HOUR_SHARE with most plays


@dataclass(frozen=True)
class Sessions:
    """S sessions, by user and then by time: row of the user, start in ms since 1970, number of plays."""

    user: np.ndarray
    start: np.ndarray
    num_plays: np.ndarray


def draw_sessions(
    rng: np.random.Generator, listeners: Listeners, is_due: np.ndarray, starts_at: int, ends_at: int
) -> Sessions:
    """Draw the sessions that begin from `starts_at` to before `ends_at`, and after the creation of the account.

    is_due: bool [U], users who have at least one.
    """
    # one more day at both ends, because days are local
    first_midnight = starts_at // DAY_MS * DAY_MS - DAY_MS
    num_days = (ends_at - first_midnight) // DAY_MS + 2
    active = rng.random((len(listeners.active_share), num_days), dtype=np.float32) < listeners.active_share[:, None]
    user, day = np.nonzero(active)
    more = rng.poisson(MORE_SESSIONS * np.sqrt(listeners.active_share[user]))
    user, day = np.repeat(user, 1 + more), np.repeat(day, 1 + more)
    hour = _draw_hours(rng, len(user)) - _PEAK_OF_PROFILE + listeners.peak_hour[user] - _START_BEFORE_PLAYS_HOURS
    start = first_midnight + day * DAY_MS + (hour * _HOUR_MS).astype(np.int64)
    kept = (start >= np.maximum(starts_at, listeners.created_at[user] + _FIRST_PLAY_DELAY_MS)) & (start < ends_at)
    user, start = _with_one_each(rng, listeners, is_due, user[kept], start[kept], starts_at, ends_at)
    order = np.lexsort((start, user))
    num_plays = np.rint(SESSION_PLAYS.at(rng.random(len(user)))).astype(np.int64)
    return Sessions(user[order], start[order], num_plays)


def _draw_hours(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw times of the day by HOUR_SHARE, in hours."""
    edges = np.append(0.0, np.cumsum(HOUR_SHARE))
    return np.interp(rng.random(count) * edges[-1], edges, np.arange(25))


def _with_one_each(
    rng: np.random.Generator,
    listeners: Listeners,
    is_due: np.ndarray,
    user: np.ndarray,
    start: np.ndarray,
    starts_at: int,
    ends_at: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Add a session for each user who is due and has none."""
    idle = np.flatnonzero((np.bincount(user, minlength=len(is_due)) == 0) & is_due)
    since = np.maximum(starts_at, listeners.created_at[idle] + _FIRST_PLAY_DELAY_MS)
    drawn = since + (rng.random(len(idle)) * (ends_at - since)).astype(np.int64)
    return np.append(user, idle), np.append(start, drawn)


def push_apart(sessions: Sessions, duration_ms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return starts no earlier than drawn, and more than a session gap after the end of the session before."""
    pause = _SESSION_GAP_MS + 60_000 + rng.exponential(_HOUR_MS / 4, len(duration_ms)).astype(np.int64)
    busy = np.append(0, np.cumsum(duration_ms + pause)[:-1])
    # the maximum of start - busy so far within each user; `far` exceeds all times, so users do not mix
    far = np.int64(1) << 44
    slack = sessions.start - busy
    ahead = sessions.user * far + slack
    return np.maximum.accumulate(ahead) - sessions.user * far + busy
