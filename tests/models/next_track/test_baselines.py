"""Every baseline against a plain loop over sessions and plays, and what all of them must not do."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.next_track.contract import Cases, NextTrackBaseline, PlayLog
from models.next_track.entries import NEXT_TRACK_BASELINES
from tests.models.next_track.random_logs import random_log

DAY = 86_400.0
Plain = Callable[[PlayLog, PlayLog, int, dict[str, float]], np.ndarray]


def sessions_of(log: PlayLog) -> list[list[int]]:
    found = defaultdict(list)
    for session, track in zip(log.session, log.track, strict=True):
        found[int(session)].append(int(track))
    return [found[number] for number in sorted(found)]


def before(log: PlayLog, at: int) -> list[int]:
    """Return the rows of the user's plays before a case, newest first."""
    return [row for row in range(at - 1, -1, -1) if log.user[row] == log.user[at]]


def plain_popularity(past: PlayLog, log: PlayLog, at: int, point: dict[str, float]) -> np.ndarray:
    scores = np.zeros(log.num_tracks)
    for track, seconds in zip(past.track, past.seconds, strict=True):
        scores[track] += 0.5 ** ((past.seconds.max() + 1 - seconds) / DAY / point["half_life_days"])
    return scores


def plain_activation(past: PlayLog, log: PlayLog, at: int, point: dict[str, float]) -> np.ndarray:
    scores = np.zeros(log.num_tracks)
    for row in before(log, at):
        scores[log.track[row]] += (max(60.0, log.seconds[at] - log.seconds[row]) / DAY) ** -point["decay"]
    return scores


def plain_rules(past: PlayLog, log: PlayLog, at: int, point: dict[str, float]) -> np.ndarray:
    count = np.maximum(np.bincount(past.track, minlength=log.num_tracks), 1)
    rules = np.zeros((log.num_tracks, log.num_tracks))
    for session in sessions_of(past):
        for one in range(len(session)):
            for other in range(one + 1, min(len(session), one + 1 + int(point.get("window", 10)))):
                rules[session[one], session[other]] += 1 / (other - one)
    rules *= count[None] ** -point.get("popularity_power", 0.0)
    if point.get("is_share"):
        rules /= np.maximum(rules.sum(axis=1, keepdims=True), 1e-300)
    rows = before(log, at)[: int(point.get("num_plays", 1))]
    return sum((rules[log.track[row]] * point.get("decay", 1.0) ** n for n, row in enumerate(rows)), np.zeros(12))


def plain_item_neighbours(past: PlayLog, log: PlayLog, at: int, point: dict[str, float]) -> np.ndarray:
    holding = [{n for n, one in enumerate(sessions_of(past)) if track in one} for track in range(log.num_tracks)]
    scores = np.zeros(log.num_tracks)
    for n, row in enumerate(before(log, at)[:20]):
        own = holding[log.track[row]]
        for track in range(log.num_tracks):
            if track != log.track[row] and own & holding[track]:
                damped = max(1, len(own)) ** 0.5 * max(1, len(holding[track])) ** point["popularity_power"]
                scores[track] += point["decay"] ** n * len(own & holding[track]) / damped
    return scores


def plain_sessions(past: PlayLog, log: PlayLog, at: int, point: dict[str, float]) -> np.ndarray:
    similar = []
    for number, session in enumerate(sessions_of(past)):
        ended = past.seconds[past.session == number].max()
        shared = [point["decay"] ** n for n, row in enumerate(before(log, at)[:20]) if log.track[row] in session]
        similar.append((sum(shared), ended, session))
    scores = np.zeros(log.num_tracks)
    for weight, _, session in sorted(similar, key=lambda one: (-one[0], -one[1]))[: int(point["num_sessions"])]:
        for track in set(session):
            scores[track] += weight
    return scores


PLAIN: dict[str, Plain] = {
    "decayed_popularity": plain_popularity,
    "markov": plain_rules,
    "rules_last": plain_rules,
    "rules_recent": plain_rules,
    "session_item_knn": plain_item_neighbours,
    "vsknn": plain_sessions,
    "act_r": plain_activation,
}
POINTS = [
    pytest.param(baseline, dict(point), id=f"{baseline.name}-{number}")
    for baseline in NEXT_TRACK_BASELINES
    for number, point in enumerate(baseline.grid)
]


@pytest.mark.parametrize(("baseline", "point"), POINTS)
def test_scores_are_those_of_a_plain_loop(baseline: NextTrackBaseline, point: dict[str, float]) -> None:
    past, log = random_log(1), random_log(2)
    if "num_sessions" in point:
        point = {**point, "num_sessions": point["num_sessions"] // 40}  # so few that it matters which
    learned = baseline.fit(past, past.seconds.max() + 1, point)
    at = np.arange(3, len(log), 7)
    found = baseline.score(Cases(log, at), learned, point)
    assert found.dtype == np.float32 and found.shape == (len(at), log.num_tracks)
    expected = np.array([PLAIN[baseline.name](past, log, row, point) for row in at])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("baseline", NEXT_TRACK_BASELINES, ids=lambda one: one.name)
def test_a_case_knows_nothing_later_and_no_other_case(baseline: NextTrackBaseline) -> None:
    past, log = random_log(3), random_log(4)
    point = baseline.grid[0]
    learned = baseline.fit(past, past.seconds.max() + 1, point)
    at = np.arange(len(log))
    together = baseline.score(Cases(log, at), learned, point)
    for row in (0, 57, 120, len(log) - 1):
        changed = log.track.copy()
        changed[row:] = (changed[row:] + 5) % log.num_tracks
        alone = baseline.score(Cases(replace(log, track=changed), np.array([row])), learned, point)
        assert np.array_equal(alone[0], together[row])
