"""Possible weeks of the users of the sample world after a cutoff, drawn by the functions that made the world.

They use the planted truth and the plays before the cutoff, and nothing else. They are simpler than the world in three
ways: a session ends at the cutoff, the day continues as if it had no plays, and a session counts as a whole if it
begins within the week.
"""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.sample_world.catalog import SampleCatalog
from pipelines.sample_world.listeners import Listeners
from pipelines.sample_world.outcomes import draw_skips, skip_log_odds
from pipelines.sample_world.past import Past
from pipelines.sample_world.plays import Plays, draw_plays
from pipelines.sample_world.profile import SESSION_PLAYS
from pipelines.sample_world.sessions import DAY_MS, MORE_SESSIONS, Sessions, draw_sessions

WEEK_DAYS = 7


@dataclass(frozen=True)
class WorldState:
    """The world of U users at `cutoff_at`; times in ms since 1970.

    liked: float [U], sum of affinity over each user's plays.
    num_sessions: int [U], sessions of each user so far.
    """

    catalog: SampleCatalog
    listeners: Listeners
    past: Past
    liked: np.ndarray
    num_sessions: np.ndarray
    cutoff_at: int
    starts_at: int
    ends_at: int

    def take(self, user: np.ndarray) -> "WorldState":
        """Return the state of new users with the parameters and plays of these users; `user`: rows, ascending."""
        rows = self.past.first[user[0] : user[-1] + 2]
        return replace(
            self,
            listeners=self.listeners.take(user),
            past=Past(self.past.traces.take(slice(rows[0], rows[-1])), rows - rows[0], user - user[0]),
            liked=self.liked[user],
            num_sessions=self.num_sessions[user],
        )

    def is_due(self) -> np.ndarray:
        """Return a mask of the users without a play, save newcomers [U]: they play before the end of the world."""
        return (self.num_sessions == 0) & ~self.listeners.is_newcomer

    def days_left(self) -> float:
        """Return the days until the end of the world."""
        return (self.ends_at - self.cutoff_at) / DAY_MS

    def plays_per_week(self) -> np.ndarray:
        """Return about how many plays each user will have in a week [U]."""
        share = self.listeners.active_share
        plays_per_session = SESSION_PLAYS.at((np.arange(1000) + 0.5) / 1000).mean()
        expected = WEEK_DAYS * share * (1 + MORE_SESSIONS * np.sqrt(share)) * plays_per_session
        return np.where(self.is_due(), np.maximum(expected, plays_per_session), expected)


@dataclass(frozen=True)
class Weeks:
    """The weeks of U users: sessions and their plays; is_possible: bool [U], whether it agrees with the past."""

    sessions: Sessions
    plays: Plays
    is_possible: np.ndarray


def capture_state(
    cutoff_at: int,
    catalog: SampleCatalog,
    listeners: Listeners,
    plays: Plays,
    played_at: np.ndarray,
    span: tuple[int, int],
) -> WorldState:
    """Return the state of a block at `cutoff_at`; plays began at `played_at`, the world spans `span` in ms."""
    rows, users = np.flatnonzero(played_at < cutoff_at), np.arange(len(listeners.drift))
    user = plays.user[rows]
    past = Past(plays.traces.take(rows), np.searchsorted(user, np.append(users, len(users))), users)
    liked = np.bincount(user, plays.affinity[rows], minlength=len(users))
    num_sessions = np.bincount(user, plays.position[rows] == 0, minlength=len(users))
    return WorldState(catalog, listeners, past, liked, num_sessions, cutoff_at, *span)


def draw_weeks(rng: np.random.Generator, state: WorldState) -> Weeks:
    """Draw a week for each user."""
    is_due, share_left = state.is_due(), state.days_left() / _days_of(state)
    # users without a session by chance are given one at any time; where it would be before the cutoff, the week is void
    is_given = is_due & (rng.random(len(is_due)) < share_left)
    drawn = draw_sessions(rng, state.listeners, is_given, state.cutoff_at, state.ends_at)
    is_possible = ~is_due | (np.bincount(drawn.user, minlength=len(is_due)) > 0)
    goes_on = rng.random(len(is_due)) >= _was_given(state)
    kept = goes_on[drawn.user] & (drawn.start < state.cutoff_at + WEEK_DAYS * DAY_MS)
    sessions = Sessions(drawn.user[kept], drawn.start[kept], drawn.num_plays[kept])
    span = state.starts_at, state.ends_at
    plays = draw_plays(rng, state.catalog, state.listeners, sessions, state.past, *span)
    return Weeks(sessions, plays, is_possible)


def draw_listens(rng: np.random.Generator, state: WorldState, weeks: Weeks) -> np.ndarray:
    """Draw a mask of the plays of 30 s or more."""
    plays, count = weeks.plays, len(state.liked)
    liked = state.liked + np.bincount(plays.user, plays.affinity, minlength=count)
    num_plays = state.past.count(np.arange(count)) + np.bincount(plays.user, minlength=count)
    usual = liked / np.maximum(num_plays, 1)
    log_odds = skip_log_odds(rng, state.catalog, state.listeners, weeks.sessions, plays, usual)
    return ~draw_skips(rng, log_odds, plays.position)


def _days_of(state: WorldState) -> np.ndarray:
    """Return the days of each user in the world [U]."""
    return (state.ends_at - np.maximum(state.starts_at, state.listeners.created_at)) / DAY_MS


def _was_given(state: WorldState) -> np.ndarray:
    """Return the probability that a user's only session is the one given to users without any [U]: it has no successor.

    By Bayes' rule, from the probabilities of that day: given to a user active on no day, or the user's only active day.
    """
    share = np.maximum(state.listeners.active_share, 1e-9)
    given = (1 - share) ** (1 + state.days_left()) / _days_of(state)
    by_chance = share * np.exp(-MORE_SESSIONS * np.sqrt(share))
    return np.where(state.num_sessions == 1, given / (given + by_chance), 0.0)
