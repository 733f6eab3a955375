"""Possible weeks of the users of the sample world, from a moment on: drawn by the functions that made the world.

They know the planted truth and what was drawn for the plays before the moment, and nothing else. Simpler than the world
they are in this: a session that is under way ends at the moment, the day goes on as if nothing had been played on it,
and a session counts as a whole if it begins within the week.
"""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.sample_world.catalog import SampleCatalog
from pipelines.sample_world.listeners import Listeners
from pipelines.sample_world.outcomes import draw_skips
from pipelines.sample_world.past import Past
from pipelines.sample_world.plays import Plays, draw_plays
from pipelines.sample_world.profile import SESSION_PLAYS
from pipelines.sample_world.sessions import DAY_MS, MORE_SESSIONS, Sessions, draw_sessions

WEEK_DAYS = 7


@dataclass(frozen=True)
class WorldState:
    """The world of U users at `cutoff_at`; times in ms since 1970.

    liked [U]: sum of affinity over each user's plays. num_sessions [U]: how many the user has had.
    """

    catalog: SampleCatalog
    listeners: Listeners
    past: Past
    liked: np.ndarray
    num_sessions: np.ndarray
    cutoff_at: int
    starts_at: int
    ends_at: int

    def of(self, user: np.ndarray) -> "WorldState":
        """Return the moment for users who are, and have played, as these users; rows, ascending."""
        rows = self.past.first[user[0] : user[-1] + 2]
        return replace(
            self,
            listeners=self.listeners.take(user),
            past=Past(self.past.traces.take(slice(rows[0], rows[-1])), rows - rows[0], user - user[0]),
            liked=self.liked[user],
            num_sessions=self.num_sessions[user],
        )

    def is_due(self) -> np.ndarray:
        """Whether a user has yet to play: everyone does before the end, save newcomers."""
        return (self.num_sessions == 0) & ~self.listeners.is_newcomer

    def days_left(self) -> float:
        """Return the days until the end."""
        return (self.ends_at - self.cutoff_at) / DAY_MS

    def plays_per_week(self) -> np.ndarray:
        """Return about how much each user is going to play."""
        share = self.listeners.active_share
        plays_per_session = SESSION_PLAYS.at((np.arange(1000) + 0.5) / 1000).mean()
        expected = WEEK_DAYS * share * (1 + MORE_SESSIONS * np.sqrt(share)) * plays_per_session
        return np.where(self.is_due(), np.maximum(expected, plays_per_session), expected)


@dataclass(frozen=True)
class Weeks:
    """The weeks of U users: sessions, their plays; is_possible [U]: whether it agrees with what the user has played."""

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
    """Return the moment `cutoff_at` of a block whose plays began at `played_at`; `span`: start and end of the world."""
    rows, users = np.flatnonzero(played_at < cutoff_at), np.arange(len(listeners.drift))
    user = plays.user[rows]
    past = Past(plays.traces.take(rows), np.searchsorted(user, np.append(users, len(users))), users)
    liked = np.bincount(user, plays.affinity[rows], minlength=len(users))
    num_sessions = np.bincount(user, plays.place[rows] == 0, minlength=len(users))
    return WorldState(catalog, listeners, past, liked, num_sessions, cutoff_at, *span)


def draw_weeks(rng: np.random.Generator, moment: WorldState) -> Weeks:
    """Draw a week for each user."""
    is_due, share_left = moment.is_due(), moment.days_left() / _days_of(moment)
    # who has none by chance is given a session, at any time: on one that would have been earlier, the future is void
    is_given = is_due & (rng.random(len(is_due)) < share_left)
    drawn = draw_sessions(rng, moment.listeners, is_given, moment.cutoff_at, moment.ends_at)
    is_possible = ~is_due | (np.bincount(drawn.user, minlength=len(is_due)) > 0)
    goes_on = rng.random(len(is_due)) >= _was_given(moment)
    kept = goes_on[drawn.user] & (drawn.start < moment.cutoff_at + WEEK_DAYS * DAY_MS)
    sessions = Sessions(drawn.user[kept], drawn.start[kept], drawn.num_plays[kept])
    span = moment.starts_at, moment.ends_at
    plays = draw_plays(rng, moment.catalog, moment.listeners, sessions, moment.past, *span)
    return Weeks(sessions, plays, is_possible)


def draw_listens(rng: np.random.Generator, moment: WorldState, weeks: Weeks) -> np.ndarray:
    """Draw which plays are heard for 30 s or more."""
    plays, count = weeks.plays, len(moment.liked)
    liked = moment.liked + np.bincount(plays.user, plays.affinity, minlength=count)
    num_plays = moment.past.count(np.arange(count)) + np.bincount(plays.user, minlength=count)
    return ~draw_skips(rng, moment.listeners, weeks.sessions, plays, liked / np.maximum(num_plays, 1))


def _days_of(moment: WorldState) -> np.ndarray:
    """Return the days that each user has in the world."""
    return (moment.ends_at - np.maximum(moment.starts_at, moment.listeners.created_at)) / DAY_MS


def _was_given(moment: WorldState) -> np.ndarray:
    """Return how probably each user's only session is the one given to those who have none: then there are no others.

    By Bayes' rule, from the chances of such a day: given to one who is on no day active, or the only active one.
    """
    share = np.maximum(moment.listeners.active_share, 1e-9)
    given = (1 - share) ** (1 + moment.days_left()) / _days_of(moment)
    by_chance = share * np.exp(-MORE_SESSIONS * np.sqrt(share))
    return np.where(moment.num_sessions == 1, given / (given + by_chance), 0.0)
