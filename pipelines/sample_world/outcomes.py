"""The outcomes of plays in the sample world: skips, durations, reports and further actions."""

from dataclasses import dataclass

import numpy as np

from pipelines.sample_world.catalog import SampleCatalog
from pipelines.sample_world.listeners import Listeners
from pipelines.sample_world.plays import Plays
from pipelines.sample_world.profile import MS_PLAYED, PLAYED_FRACTION, SKIP_RATE
from pipelines.sample_world.sessions import Sessions, push_apart
from transforms.events.listening import SKIP_MS
from transforms.tables.schemas import DISLIKE, LIKE, PLAYLIST_ADD, SAVE

# Log-odds of a skip, calibrated to SKIP_RATE, SKIP_RATE_AFTER_SKIP and SKIP_RATE_AFTER_NON_SKIP.
_SKIP_BASE = -0.69
_SKIP_TASTE = 2.0  # of a cosine of 1 between user and track
_MOOD_SPREAD = 0.8  # the mood of a session
# Log-odds of a distance of 1 (1 - cosine) from the play before, beyond the usual one; and of each play of the artist
# among the FATIGUE_PLAYS before, beyond their usual number. Neither counts for the first play of a session.
_SKIP_STEP, _USUAL_STEP = 1.2, 0.72
_SKIP_FATIGUE, _USUAL_FATIGUE = 0.5, 0.5
FATIGUE_PLAYS = 4
_STREAK = 0.93  # added after a skip, subtracted after none

_MEAN_GAP_MS = 8_000
# Probability of each action after a listen, times e^(_ACTION_TASTE * cosine), and after a skip, divided by it.
_LISTENED_ACTIONS = ((LIKE, 0.010), (SAVE, 0.006), (PLAYLIST_ADD, 0.006))
_SKIPPED_ACTIONS = ((DISLIKE, 0.008),)
_ACTION_TASTE = 1.0
# Most plays are reported at once, some later by players that were offline.
_REPORT_DELAY_MS, _OFFLINE_SHARE, _OFFLINE_MS = 2_000, 0.02, 5 * 3_600_000


@dataclass(frozen=True)
class Outcomes:
    """By play: start and report in ms since 1970, ms played, and the code of a further action (0: none)."""

    played_at: np.ndarray
    ms_played: np.ndarray
    arrived_at: np.ndarray
    action: np.ndarray


def usual_affinity(plays: Plays) -> np.ndarray:
    """Return the mean affinity of each user's plays, up to the last user who has any: users compare tracks with it."""
    return np.bincount(plays.user, plays.affinity) / np.maximum(np.bincount(plays.user), 1)


def draw_outcomes(
    rng: np.random.Generator,
    catalog: SampleCatalog,
    listeners: Listeners,
    sessions: Sessions,
    plays: Plays,
    usual: np.ndarray,
) -> Outcomes:
    """Draw the end of each play, and with it the start of the next; `usual`: mean affinity of each user's plays."""
    is_skip = draw_skips(rng, skip_log_odds(rng, catalog, listeners, sessions, plays, usual), plays.position)
    ms_played = _draw_ms_played(rng, is_skip, catalog.duration_ms[plays.track])
    played_at = _start_plays(rng, sessions, plays, ms_played)
    is_offline = rng.random(len(ms_played)) < _OFFLINE_SHARE
    delay = rng.exponential(np.where(is_offline, _OFFLINE_MS, _REPORT_DELAY_MS)).astype(np.int64)
    return Outcomes(
        played_at=played_at,
        ms_played=ms_played,
        arrived_at=played_at + ms_played + delay,
        action=_draw_actions(rng, is_skip, plays.affinity),
    )


def draw_skips(rng: np.random.Generator, log_odds: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Draw a mask of skips, each of which makes the next more probable; log_odds: see skip_log_odds().

    A play ends as the one before if its draw falls between the probabilities after a skip and after none; the draw
    decides all others alone. This needs no loop over plays.
    """
    drawn = rng.logistic(size=len(log_odds))
    streak = np.where(position > 0, _STREAK, 0.0)
    is_surely_skipped, is_surely_listened = drawn < log_odds - streak, drawn >= log_odds + streak
    is_decided = is_surely_skipped | is_surely_listened
    decided_by = np.maximum.accumulate(np.where(is_decided, np.arange(len(drawn)), 0))
    return is_surely_skipped[decided_by]


def skip_log_odds(
    rng: np.random.Generator,
    catalog: SampleCatalog,
    listeners: Listeners,
    sessions: Sessions,
    plays: Plays,
    usual: np.ndarray,
) -> np.ndarray:
    """Return the log-odds of a skip of each play, between those after a skip and after none.

    They rise with the user's tendency, the session's mood, the distance from the play before and the plays of the
    artist just before, and fall with the user's liking of the track beyond `usual`, their mean of all plays.
    """
    mood = _MOOD_SPREAD * rng.standard_normal(len(sessions.user))
    liking = plays.affinity - usual[plays.user]
    own = own_log_odds(listeners.skip_tendency[plays.user], mood[plays.session], liking)
    return own + order_log_odds(catalog, plays.track, plays.position)


def own_log_odds(tendency: np.ndarray, mood: np.ndarray, liking: np.ndarray) -> np.ndarray:
    """Return the log-odds of a skip whatever was played before; liking: cosine above the user's usual."""
    return np.asarray(_SKIP_BASE + (tendency + mood - _SKIP_TASTE * liking))


def order_log_odds(catalog: SampleCatalog, track: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return what the plays before each in its session add to the log-odds of a skip; position: in the session."""
    vector, artist = catalog.vector[track], catalog.artist[track]
    before = np.maximum(np.arange(len(track)) - 1, 0)
    step = 1 - np.einsum("nd,nd->n", vector, vector[before])
    recent = np.zeros(len(track))
    for distance in range(1, FATIGUE_PLAYS + 1):
        other = np.maximum(np.arange(len(track)) - distance, 0)
        recent += (position >= distance) & (artist == artist[other])
    added = _SKIP_STEP * (step - _USUAL_STEP) + _SKIP_FATIGUE * (recent - _USUAL_FATIGUE)
    return np.where(position > 0, added, 0.0)


def _draw_ms_played(rng: np.random.Generator, is_skip: np.ndarray, duration_ms: np.ndarray) -> np.ndarray:
    """Draw the duration of each play, in ms."""
    skip_ms = MS_PLAYED.at(rng.random(len(is_skip)) * SKIP_RATE)
    # the bins below 0.1 hold the skips; the bin from 1 to 1.05 is taken as whole tracks
    edges = np.append(np.arange(2, 21) * 0.05, (1.0, 1.5))
    shares = np.append(0.0, np.cumsum(PLAYED_FRACTION[2:]))
    fraction = np.interp(rng.random(len(is_skip)) * shares[-1], shares, edges)
    listened_ms = np.maximum(fraction * duration_ms, SKIP_MS)
    return np.where(is_skip, np.minimum(skip_ms, SKIP_MS - 1), listened_ms).astype(np.int64)


def _start_plays(rng: np.random.Generator, sessions: Sessions, plays: Plays, ms_played: np.ndarray) -> np.ndarray:
    """Return the start of each play in ms since 1970; plays follow one another, sessions are kept apart."""
    gap = rng.exponential(_MEAN_GAP_MS, len(ms_played)).astype(np.int64)
    end = np.cumsum(ms_played + gap)
    begin = end - ms_played - gap
    first = np.cumsum(sessions.num_plays) - sessions.num_plays
    duration = end[first + sessions.num_plays - 1] - begin[first]
    return (push_apart(sessions, duration, rng) - begin[first])[plays.session] + begin


def _draw_actions(rng: np.random.Generator, is_skip: np.ndarray, affinity: np.ndarray) -> np.ndarray:
    """Draw the code of a further action of each play; 0: none."""
    drawn = rng.random(len(is_skip))
    liking = np.exp(_ACTION_TASTE * affinity)
    action = np.zeros(len(is_skip), dtype=np.int8)
    for is_possible, actions, weight in (
        (~is_skip, _LISTENED_ACTIONS, liking),
        (is_skip, _SKIPPED_ACTIONS, 1 / liking),
    ):
        above = np.zeros(len(is_skip))
        for code, probability in actions:
            action[is_possible & (drawn >= above) & (drawn < above + probability * weight)] = code
            above = above + probability * weight
    return action
