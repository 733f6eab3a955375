"""Every baseline against a slow account of itself, and what all of them must keep to."""

import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pytest

from models.baselines.blends import normalised_sum
from models.baselines.entries import BUILT_IN_BASELINES
from models.baselines.interactions import Baseline, Interactions, Parameters

NUM_USERS, NUM_TRACKS = 40, 25
ENTRIES = {baseline.name: baseline for baseline in BUILT_IN_BASELINES}


def random_log(seed: int, *, num_plays: int = 900) -> Interactions:
    """The last users and the last two tracks have no play."""
    rng = np.random.default_rng(seed)
    user = np.sort(rng.integers(NUM_USERS - 3, size=num_plays)).astype(np.int32)
    days = rng.random(num_plays) * 60 + 0.01
    days = days[np.lexsort((-days, user))]
    session = np.cumsum(rng.random(num_plays) < 0.2) + user
    track = (rng.zipf(1.4, num_plays) % (NUM_TRACKS - 2)).astype(np.int32)
    return Interactions(
        user, track, session.astype(np.int32), days, np.arange(NUM_USERS, dtype=np.uint64) * 7, NUM_TRACKS
    )


def of_users(log: Interactions, users: list[int]) -> Interactions:
    """The same log with these users only, renumbered; ascending."""
    keep = np.isin(log.user, users)
    user = np.searchsorted(users, log.user[keep]).astype(np.int32)
    return Interactions(user, log.track[keep], log.session[keep], log.days[keep], log.user_key[users], log.num_tracks)


def scores_of(baseline: Baseline, parameters: Parameters, log: Interactions) -> np.ndarray:
    return baseline.score(log, baseline.fit(log, parameters), parameters)


Scores = Mapping[tuple[int, int], float]


def plain_top(log: Interactions, parameters: Parameters) -> Scores:
    scores: dict[tuple[int, int], float] = defaultdict(float)
    last: dict[tuple[int, int], float] = {}
    for user, track, days in zip(log.user, log.track, log.days, strict=True):
        scores[user, track] += 1
        last[user, track] = min(days, last.get((user, track), math.inf))
    return {key: count + 0.5 / (1 + last[key]) for key, count in scores.items()}


def plain_recent(log: Interactions, parameters: Parameters) -> Scores:
    scores: dict[tuple[int, int], float] = {}
    for user, track, days in zip(log.user, log.track, log.days, strict=True):
        scores[user, track] = max(-days, scores.get((user, track), -math.inf))
    return scores


def plain_activation(log: Interactions, parameters: Parameters) -> Scores:
    sums: dict[tuple[int, int], float] = defaultdict(float)
    for user, track, days in zip(log.user, log.track, log.days, strict=True):
        sums[user, track] += days ** -parameters["decay"]
    return {key: math.log(value) for key, value in sums.items()}


def plain_popularity(log: Interactions, parameters: Parameters) -> Scores:
    counts: dict[int, float] = defaultdict(float)
    for track, days in zip(log.track, log.days, strict=True):
        counts[track] += 2 ** (-days / parameters["half_life_days"]) if parameters else 1
    return {(user, track): count for user in range(log.num_users) for track, count in counts.items()}


def row_of(log: Interactions, half_life: float) -> dict[int, dict[int, float]]:
    rows: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for user, track, days in zip(log.user, log.track, log.days, strict=True):
        rows[user][track] += max(1e-6, 2 ** (-days / half_life)) if half_life else 1.0
    return rows


def plain_rules(log: Interactions, parameters: Parameters) -> Scores:
    rules: dict[tuple[int, int], float] = defaultdict(float)
    plays = list(zip(log.track.tolist(), log.session.tolist(), strict=True))
    for place, (first, session) in enumerate(plays):
        for distance, (second, other) in enumerate(plays[place + 1 : place + 11], start=1):
            if session == other and first != second:
                rules[first, second] += 1 / distance
                rules[second, first] += 0.5 / distance
    count = np.bincount(log.track, minlength=log.num_tracks)
    scores: dict[tuple[int, int], float] = defaultdict(float)
    for user in range(log.num_users):
        mine = [(track, days) for u, track, days in zip(log.user, log.track, log.days, strict=True) if u == user]
        for back, (track, days) in enumerate(mine[::-1][:50]):
            weight = max(1e-9, 2 ** (-back / parameters["half_life_plays"] - days / parameters["half_life_days"]))
            for (first, second), rule in rules.items():
                if first == track:
                    damping = count[first] ** -0.5 * count[second] ** -parameters["popularity_power"]
                    scores[user, second] += weight * rule * damping
    return scores


def plain_ease(log: Interactions, parameters: Parameters) -> Scores:
    played = np.zeros((log.num_users, log.num_tracks))
    played[log.user, log.track] = 1
    inverse = np.linalg.inv(played.T @ played + parameters["l2"] * np.eye(log.num_tracks))
    weights = np.eye(log.num_tracks) - inverse / np.diag(inverse)
    rows = row_of(log, parameters["half_life_days"])
    return {
        (user, track): score
        for user, row in rows.items()
        for track in range(log.num_tracks)
        if (score := sum(weight * weights[one, track] for one, weight in row.items()))
    }


def plain_knn(log: Interactions, parameters: Parameters) -> Scores:
    """Cosine; BM25 is the library's own affair."""
    users = np.zeros((log.num_users, log.num_tracks))
    np.add.at(users, (log.user, log.track), 1)
    norm = np.maximum(np.linalg.norm(users, axis=0), 1e-9)
    similar = users.T @ users / norm[:, None] / norm
    rows = row_of(log, parameters["half_life_days"])
    return {
        (user, track): score
        for user, row in rows.items()
        for track in range(log.num_tracks)
        if (score := sum(weight * similar[one, track] for one, weight in row.items())) > 0
    }


PLAIN = {
    "most_popular": plain_popularity,
    "decayed_popularity": plain_popularity,
    "repeat_top": plain_top,
    "repeat_recent": plain_recent,
    "act_r": plain_activation,
    "item_knn": plain_knn,
    "sequence_rules": plain_rules,
    "ease": plain_ease,
}
POINTS = [
    pytest.param(name, dict(parameters), id=f"{name}-{place}")
    for name in PLAIN
    for place, parameters in enumerate(ENTRIES[name].grid)
    if not parameters.get("is_bm25")
]


@pytest.mark.parametrize(("name", "parameters"), POINTS)
def test_scores_equal_those_of_a_plain_loop(name: str, parameters: Parameters) -> None:
    log = random_log(1)
    expected = np.full((NUM_USERS, NUM_TRACKS), -np.inf)
    for (user, track), score in PLAIN[name](log, parameters).items():
        expected[user, track] = score
    found = scores_of(ENTRIES[name], parameters, log)
    known = np.isfinite(expected)
    assert np.array_equal(known, np.isfinite(found))
    # EASE keeps its weights in half precision
    tolerance = {"rtol": 2e-3, "atol": 2e-3} if name == "ease" else {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(found[known], expected[known], **tolerance)


def test_als_folds_users_in_by_the_closed_form() -> None:
    als = ENTRIES["als"]
    parameters = {**als.grid[0], "half_life_days": 0.0, "factors": 4.0}
    log = random_log(2)
    tracks = als.fit(log, parameters)["tracks"].astype(np.float64)
    found = als.score(log, {"tracks": tracks.astype(np.float32)}, parameters)
    plays = np.zeros((NUM_USERS, NUM_TRACKS))
    np.add.at(plays, (log.user, log.track), 1)
    for user in range(NUM_USERS - 3):
        confidence = 1 + parameters["alpha"] * plays[user] - (plays[user] == 0) * 0
        weighted = tracks * (confidence - 1)[:, None]
        left = tracks.T @ tracks + tracks.T @ weighted + parameters["regularization"] * np.eye(4)
        vector = np.linalg.solve(left, tracks.T @ (confidence * (plays[user] > 0)))
        assert np.corrcoef(found[user], tracks @ vector)[0, 1] > 0.98


@pytest.mark.parametrize("name", ["als", "bpr", "item_knn", "ease", "sequence_rules"])
def test_what_similar_users_play_is_found(name: str) -> None:
    # two tastes without a track in common; each user leaves out one track of the taste
    rng = np.random.default_rng(3)
    rows = [(user, user % 2 * 8 + track) for user in range(60) for track in rng.permutation(8)[:7]]
    user, track = (np.array(column, dtype=np.int32) for column in zip(*rows, strict=True))
    days = np.tile(np.arange(7, 0, -1), 60) / 10
    log = Interactions(user, track, user.copy(), days, np.arange(60, dtype=np.uint64), 16)
    entry = ENTRIES[name]
    scores = np.where(np.isfinite(found := scores_of(entry, entry.grid[0], log)), found, -1e9)
    scores[user, track] = -1e9
    assert np.mean(scores.argmax(axis=1) // 8 == np.arange(60) % 2) > 0.9


@pytest.mark.parametrize("baseline", BUILT_IN_BASELINES, ids=lambda baseline: baseline.name)
class TestEveryBaseline:
    def test_a_score_is_that_of_the_user_alone(self, baseline: Baseline) -> None:
        log = random_log(4)
        for parameters in baseline.grid:
            learned = baseline.fit(log, parameters)
            whole = baseline.score(log, learned, parameters)
            assert whole.dtype == np.float32 and whole.shape == (NUM_USERS, NUM_TRACKS)
            assert not np.isnan(whole).any() and not np.isposinf(whole).any()
            some = [2, 3, 11, 30, 39]
            alone = baseline.score(of_users(log, some), learned, parameters)
            np.testing.assert_allclose(alone, whole[some], rtol=1e-5, atol=1e-6)

    def test_two_fits_are_the_same(self, baseline: Baseline) -> None:
        log, parameters = random_log(5), baseline.grid[-1]
        one, other = (baseline.fit(log, parameters) for _ in range(2))
        assert sorted(one) == sorted(other)
        assert all(np.array_equal(one[name], other[name]) for name in one)

    def test_who_never_played_and_an_empty_log_have_nothing_personal(self, baseline: Baseline) -> None:
        log, parameters = random_log(6), baseline.grid[0]
        is_personal = baseline.name not in ("most_popular", "decayed_popularity")
        scores = scores_of(baseline, parameters, log)
        assert np.isneginf(scores[-3:]).all() == is_personal
        assert np.isneginf(scores[:, -2:]).all() or baseline.name in ("als", "bpr")

    def test_it_is_explained(self, baseline: Baseline) -> None:
        assert baseline.sentence and 1 <= len(baseline.grid) <= 6
        assert len({frozenset(point.items()) for point in baseline.grid}) == len(baseline.grid)


@pytest.mark.parametrize("baseline", BUILT_IN_BASELINES, ids=lambda baseline: baseline.name)
def test_a_log_without_a_play_is_no_error(baseline: Baseline) -> None:
    nothing = np.empty(0, dtype=np.int32)
    log = Interactions(nothing, nothing, nothing, np.empty(0), np.arange(4, dtype=np.uint64), NUM_TRACKS)
    assert np.isneginf(scores_of(baseline, baseline.grid[0], log)).all()


def test_a_sum_weighs_both_alike_and_keeps_what_one_knows() -> None:
    first = np.array([[10.0, 20.0, -np.inf, -np.inf], [-np.inf] * 4, [5.0, -np.inf, -np.inf, -np.inf]])
    second = np.array([[-np.inf, 0.0, 4.0, -np.inf], [1.0, 2.0, 3.0, 4.0], [-np.inf] * 4])
    expected = [[0, 1, 1, -np.inf], [0, 1 / 3, 2 / 3, 1], [1, -np.inf, -np.inf, -np.inf]]
    np.testing.assert_allclose(normalised_sum(first, second), expected, rtol=1e-6)
