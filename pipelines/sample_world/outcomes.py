"""How the plays of the sample world end: skipped or heard, for how long, and what else the user does."""

from dataclasses import dataclass

import numpy as np

from pipelines.sample_world.catalog import SampleCatalog
from pipelines.sample_world.listeners import Listeners
from pipelines.sample_world.plays import Plays
from pipelines.sample_world.profile import MS_PLAYED, PLAYED_FRACTION, SKIP_MS, SKIP_RATE
from pipelines.sample_world.sessions import Sessions, push_apart
from transforms.tables.schemas import DISLIKE, LIKE, PLAYLIST_ADD, SAVE

# Log-odds of a skip, calibrated to SKIP_RATE, SKIP_RATE_AFTER_SKIP and SKIP_RATE_AFTER_NON_SKIP.
SKIP_BASE = -0.65
SKIP_TASTE = 2.0  # by a cosine of 1 between user and track
MOOD_SPREAD = 0.8  # the mood of a session
STREAK = 0.93  # added after a skip, taken off after none

MEAN_GAP_MS = 8_000
# Chance of each further action, by whether the play was heard; times e^(ACTION_TASTE * cosine) for those of liking.
HEARD_ACTIONS = ((LIKE, 0.010), (SAVE, 0.006), (PLAYLIST_ADD, 0.006))
SKIPPED_ACTIONS = ((DISLIKE, 0.008),)
ACTION_TASTE = 1.0
# Most plays are reported at once, some by players that were offline.
REPORT_DELAY_MS, OFFLINE_SHARE, OFFLINE_MS = 2_000, 0.02, 5 * 3_600_000


@dataclass(frozen=True)
class Outcomes:
    """By play: start, in ms since 1970, ms heard, when the service learned of it, and the further action (0: none)."""

    played_at: np.ndarray
    ms_played: np.ndarray
    arrived_at: np.ndarray
    action: np.ndarray


def draw_outcomes(
    rng: np.random.Generator, catalog: SampleCatalog, listeners: Listeners, sessions: Sessions, plays: Plays
) -> Outcomes:
    """Draw how each play ends, and with that when the next begins."""
    # users measure a track by what they usually hear
    usual = np.bincount(plays.user, plays.affinity) / np.maximum(np.bincount(plays.user), 1)
    is_skip = draw_skips(rng, listeners, sessions, plays, usual)
    ms_played = _draw_ms_played(rng, is_skip, catalog.duration_ms[plays.track])
    played_at = _start_plays(rng, sessions, plays, ms_played)
    is_offline = rng.random(len(ms_played)) < OFFLINE_SHARE
    delay = rng.exponential(np.where(is_offline, OFFLINE_MS, REPORT_DELAY_MS)).astype(np.int64)
    return Outcomes(
        played_at=played_at,
        ms_played=ms_played,
        arrived_at=played_at + ms_played + delay,
        action=_draw_actions(rng, is_skip, plays.affinity),
    )


def draw_skips(
    rng: np.random.Generator, listeners: Listeners, sessions: Sessions, plays: Plays, usual: np.ndarray
) -> np.ndarray:
    """Draw skips, of which one calls for the next; `usual`: mean affinity of each user's plays.

    A play whose draw falls between the chance after a skip and the chance after none ends as the play before did; all
    others are decided by themselves. So no play waits for the one before.
    """
    mood = MOOD_SPREAD * rng.standard_normal(len(sessions.user))
    liking = SKIP_TASTE * (plays.affinity - usual[plays.user])
    log_odds = SKIP_BASE + listeners.skip_tendency[plays.user] + mood[plays.session] - liking
    drawn = rng.logistic(size=len(log_odds))
    streak = np.where(plays.place > 0, STREAK, 0.0)
    is_surely_skipped, is_surely_heard = drawn < log_odds - streak, drawn >= log_odds + streak
    is_decided = is_surely_skipped | is_surely_heard
    decided_by = np.maximum.accumulate(np.where(is_decided, np.arange(len(drawn)), 0))
    return is_surely_skipped[decided_by]


def _draw_ms_played(rng: np.random.Generator, is_skip: np.ndarray, duration_ms: np.ndarray) -> np.ndarray:
    """Draw how long each play lasted."""
    skip_ms = MS_PLAYED.at(rng.random(len(is_skip)) * SKIP_RATE)
    # the bins below two tenths hold the skips; nobody stops at just over 1, so that bin is the whole track
    edges = np.append(np.arange(2, 21) * 0.05, (1.0, 1.5))
    shares = np.append(0.0, np.cumsum(PLAYED_FRACTION[2:]))
    fraction = np.interp(rng.random(len(is_skip)) * shares[-1], shares, edges)
    heard_ms = np.maximum(fraction * duration_ms, SKIP_MS)
    return np.where(is_skip, np.minimum(skip_ms, SKIP_MS - 1), heard_ms).astype(np.int64)


def _start_plays(rng: np.random.Generator, sessions: Sessions, plays: Plays, ms_played: np.ndarray) -> np.ndarray:
    """Return the start of each play: one after the other, and sessions apart."""
    gap = rng.exponential(MEAN_GAP_MS, len(ms_played)).astype(np.int64)
    end = np.cumsum(ms_played + gap)
    begin = end - ms_played - gap
    first = np.cumsum(sessions.num_plays) - sessions.num_plays
    duration = end[first + sessions.num_plays - 1] - begin[first]
    return (push_apart(sessions, duration, rng) - begin[first])[plays.session] + begin


def _draw_actions(rng: np.random.Generator, is_skip: np.ndarray, affinity: np.ndarray) -> np.ndarray:
    """Draw what the user does beside listening, 0 for nothing."""
    drawn = rng.random(len(is_skip))
    liking = np.exp(ACTION_TASTE * affinity)
    action = np.zeros(len(is_skip), dtype=np.int8)
    for is_possible, actions, weight in ((~is_skip, HEARD_ACTIONS, liking), (is_skip, SKIPPED_ACTIONS, 1 / liking)):
        above = np.zeros(len(is_skip))
        for code, chance in actions:
            action[is_possible & (drawn >= above) & (drawn < above + chance * weight)] = code
            above = above + chance * weight
    return action
