"""When the users of the sample world listen: days, sessions, hours."""

from dataclasses import dataclass

import numpy as np

from pipelines.sample_world.listeners import Listeners
from pipelines.sample_world.profile import HOUR_SHARE, SESSION_PAUSE_MS, SESSION_PLAYS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# Sessions on a day with plays: one, and Poisson more, MORE_SESSIONS * sqrt(share of days) on average: calibrated to
# PLAYS_PER_ACTIVE_DAY of listeners with long histories; others have fewer.
MORE_SESSIONS = 5.5
FIRST_LOOK_MS = 60_000  # from the account to its first play
# Plays run on for about half an hour after the session's start, by which it is drawn.
START_BEFORE_PLAYS_HOURS = 0.5
PEAK_OF_PROFILE = 15.0  # hour of HOUR_SHARE around which plays centre


@dataclass(frozen=True)
class Sessions:
    """S sessions, by user and then by time: row of the user, start in ms since 1970, number of plays."""

    user: np.ndarray
    start: np.ndarray
    num_plays: np.ndarray


def draw_sessions(
    rng: np.random.Generator, listeners: Listeners, is_due: np.ndarray, starts_at: int, ends_at: int
) -> Sessions:
    """Draw the sessions that begin from `starts_at` to before `ends_at`, no user's before the account was made.

    Users who are due have one at least.
    """
    # a day more at both ends: days are local
    first_midnight = starts_at // DAY_MS * DAY_MS - DAY_MS
    num_days = (ends_at - first_midnight) // DAY_MS + 2
    active = rng.random((len(listeners.active_share), num_days), dtype=np.float32) < listeners.active_share[:, None]
    user, day = np.nonzero(active)
    more = rng.poisson(MORE_SESSIONS * np.sqrt(listeners.active_share[user]))
    user, day = np.repeat(user, 1 + more), np.repeat(day, 1 + more)
    hour = draw_hours(rng, len(user)) - PEAK_OF_PROFILE + listeners.peak_hour[user] - START_BEFORE_PLAYS_HOURS
    start = first_midnight + day * DAY_MS + (hour * HOUR_MS).astype(np.int64)
    kept = (start >= np.maximum(starts_at, listeners.created_at[user] + FIRST_LOOK_MS)) & (start < ends_at)
    user, start = _with_one_each(rng, listeners, is_due, user[kept], start[kept], starts_at, ends_at)
    order = np.lexsort((start, user))
    num_plays = np.rint(SESSION_PLAYS.at(rng.random(len(user)))).astype(np.int64)
    return Sessions(user[order], start[order], num_plays)


def draw_hours(rng: np.random.Generator, count: int) -> np.ndarray:
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
    """Give a session to everyone who is due and has none."""
    idle = np.flatnonzero((np.bincount(user, minlength=len(is_due)) == 0) & is_due)
    since = np.maximum(starts_at, listeners.created_at[idle] + FIRST_LOOK_MS)
    drawn = since + (rng.random(len(idle)) * (ends_at - since)).astype(np.int64)
    return np.append(user, idle), np.append(start, drawn)


def push_apart(sessions: Sessions, duration_ms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return starts no earlier than planned, and each more than a session's pause after the end of the one before."""
    pause = SESSION_PAUSE_MS + 60_000 + rng.exponential(HOUR_MS / 4, len(duration_ms)).astype(np.int64)
    busy = np.append(0, np.cumsum(duration_ms + pause)[:-1])
    # start - busy never falls within a user; users are kept apart by more than any time can span
    far = np.int64(1) << 44
    slack = sessions.start - busy
    ahead = sessions.user * far + slack
    return np.maximum.accumulate(ahead) - sessions.user * far + busy
