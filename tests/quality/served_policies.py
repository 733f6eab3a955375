"""Softmax policies that act on the catalog of a served world, without runs: fast, and with exactly known propensities.

python -m tests.quality.served_policies prints how often the reward of a week chooses the policy that listeners come
back to, in 50 worlds whose listeners want different things, and how often another draw of the same world would.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa

from pipelines.sample_world.impressions import draw_shelf, repeated_in_row
from pipelines.sample_world.serving.response import Cards, Response
from pipelines.sample_world.serving.serve_day import ServedDay, serve_day
from pipelines.sample_world.serving.served_world import ServedWorld, start_world
from pipelines.sample_world.world import WorldSpec
from transforms.features.rewards import REWARD_NAMES, REWARD_WEIGHTS
from transforms.tables.schemas import LIKE, PLAYLIST_ADD, SAVE

DAY_MS = 86_400_000
HISTORY_DAYS, DAYS, WEEK = 20, 28, 7
NUM_WORLDS, NUM_DRAWS = 50, 3
_SHELVES, _SIZE = 3, 4
_OWN, _NEAR, _RANDOM = 20, 30, 30
_COMPLETED = 0.9
_MIN_FURTHER_DAYS = 2


@dataclass(frozen=True)
class SoftmaxPolicy:
    """Weights of a card's score: taste (cosine), popularity, and whether the listener has played the track."""

    taste: float
    popularity: float
    known: float

    def scores(self, world: ServedWorld, candidates: np.ndarray) -> np.ndarray:
        """Score candidates [U, C]."""
        user = np.repeat(np.arange(len(candidates)), candidates.shape[1])
        is_known = world.past.has_played(user, candidates.ravel()).reshape(candidates.shape)
        nearness = np.einsum("ucd,ud->uc", world.catalog.vector[candidates], world.listeners.vector[0])
        return self.taste * nearness + self.popularity * world.catalog.popularity[candidates] + self.known * is_known


def new_world(seed: int, users: int, tracks: int = 600) -> ServedWorld:
    """Make a world of listeners four times as active as others: a small world shows as much as a large one."""
    starts_at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    days = HISTORY_DAYS + DAYS
    ends_at = starts_at + timedelta(days=days)
    spec = WorldSpec(num_users=users, num_tracks=tracks, num_days=days, seed=seed, ends_at=ends_at)
    world, _ = start_world(spec, spec.span[0] + HISTORY_DAYS * DAY_MS)
    return replace(
        world, listeners=replace(world.listeners, active_share=np.minimum(4 * world.listeners.active_share, 0.5))
    )


def draw_candidates(rng: np.random.Generator, world: ServedWorld) -> np.ndarray:
    """Draw candidates of each listener [U, C]: played lately, near their taste, and any."""
    num_users, num_tracks = len(world.habit), len(world.catalog.artist)
    nearness = world.listeners.vector[0] @ world.catalog.vector.T
    near = np.argsort(-(nearness + 0.2 * rng.gumbel(size=nearness.shape)), axis=1)[:, :_NEAR]
    anyone = rng.integers(num_tracks, size=(num_users, _RANDOM))
    count = np.diff(world.past.first)
    back = np.minimum(np.arange(1, _OWN + 1)[None, :], np.maximum(count[:, None], 1))
    own = world.past.traces.track[np.maximum(world.past.first[1:, None] - back, 0)]
    return np.concatenate([np.where(count[:, None] > 0, own, anyone[:, :_OWN]), near, anyone], axis=1)


def draw_pages(rng: np.random.Generator, policy: SoftmaxPolicy, world: ServedWorld, candidates: np.ndarray) -> Cards:
    """Draw a page for each listener: _SHELVES shelves of _SIZE cards, in one order."""
    score = policy.scores(world, candidates)
    count = _SHELVES * _SIZE
    column, propensity = draw_shelf(rng, np.where(repeated_in_row(candidates), -np.inf, score), count)
    num_users = len(candidates)
    return Cards(
        first=np.arange(num_users + 1) * count,
        shelf=np.tile(np.repeat(np.arange(_SHELVES), _SIZE), num_users),
        position=np.tile(np.arange(_SIZE), _SHELVES * num_users),
        track=np.take_along_axis(candidates, column, axis=1).ravel(),
        propensity=propensity.ravel(),
        shelf_propensity=np.ones(num_users * count),
        shelf_id=pa.repeat("made_for_you", num_users * count),
    )


def serve(
    world: ServedWorld, policy: SoftmaxPolicy, response: Response, days: int, seed: int
) -> tuple[list[ServedWorld], list[ServedDay]]:
    """Serve a policy; the random numbers of a day are the same for every policy."""
    worlds, served = [], []
    start = world.span[0] + HISTORY_DAYS * DAY_MS
    for number in range(days):
        rng = np.random.default_rng([seed, 7, number])
        cards = draw_pages(rng, policy, world, draw_candidates(rng, world))
        world, day = serve_day(
            np.random.default_rng([seed, 8, number]), world, cards, response, start + number * DAY_MS
        )
        worlds.append(world)
        served.append(day)
    return worlds, served


def returning(worlds: Sequence[ServedWorld]) -> float:
    """Return the expected share of days with listening after the first week: no luck of the days is in it."""
    return float(np.mean([world.listeners_today.active_share.mean() for world in worlds[WEEK:]]))


def week_rewards(world: ServedWorld, days: Sequence[ServedDay]) -> dict[str, float]:
    """Return the rewards of the cards that were started in the first week, by request."""
    played = _Plays(world, days)
    week = played.is_home & (played.day < WEEK)
    further = played.count_further_days()
    labels = {
        "listened": played.is_listened,
        "completed": played.share >= _COMPLETED,
        "skipped": ~played.is_listened,
        "saved": np.isin(played.action, (SAVE, LIKE, PLAYLIST_ADD)),
        "repeated": played.count_listens_of_week() >= 2,
        "retained_28d": played.is_listened & played.is_new & (further >= _MIN_FURTHER_DAYS),
        "session_continued": played.is_listened & played.is_followed,
    }
    assert set(labels) == set(REWARD_NAMES)
    num_requests = max(1, sum(len(day.visits.session) for day in days[:WEEK]))
    return {name: float((label & week).sum() / num_requests) for name, label in labels.items()}


class _Plays:
    """The plays of several days, by day."""

    def __init__(self, world: ServedWorld, days: Sequence[ServedDay]) -> None:
        def joined(values: Sequence[np.ndarray]) -> np.ndarray:
            return np.concatenate(list(values))

        self.day = joined([np.full(len(day.look), number) for number, day in enumerate(days)])
        self.user = joined([day.plays.user for day in days])
        self.track = joined([day.plays.track for day in days])
        self.is_home = joined([day.look >= 0 for day in days])
        self.is_new = joined([day.is_new for day in days])
        self.is_listened = joined([day.is_listened for day in days])
        self.action = joined([day.outcomes.action for day in days])
        ms = joined([day.outcomes.ms_played for day in days])
        self.share = ms / world.catalog.duration_ms[self.track]
        session = joined([day.plays.session + (number << 32) for number, day in enumerate(days)])
        self.is_followed = np.append(session[1:] == session[:-1], False)
        self.pair = self.user.astype(np.int64) << 32 | self.track

    def count_further_days(self) -> np.ndarray:
        """Return on how many later days each play's user listened to its track."""
        keys = np.unique(np.stack([self.pair, self.day])[:, self.is_listened], axis=1)
        end = np.searchsorted(keys[0], self.pair, side="right")
        rank = np.searchsorted(_packed(keys[0], keys[1]), _packed(self.pair, self.day), side="right")
        return end - rank

    def count_listens_of_week(self) -> np.ndarray:
        """Return how often each play's user listened to its track in the first week."""
        keys = np.sort(self.pair[self.is_listened & (self.day < WEEK)])
        return np.searchsorted(keys, self.pair, side="right") - np.searchsorted(keys, self.pair, side="left")


def _packed(pair: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Return one ascending key of user, track and day."""
    user, track = pair >> 32, pair & 0xFFFFFFFF
    return (user << 26 | track) << 8 | day


def draw_contest(seed: int) -> tuple[Response, tuple[SoftmaxPolicy, SoftmaxPolicy]]:
    """Draw what the listeners of a world want, and two policies."""
    rng = np.random.default_rng([seed, 9])
    response = Response(
        request_share=0.8,
        start=-1.0,
        known=rng.uniform(0.0, 1.4),
        novelty=rng.uniform(0.0, 2.0),
        skip=rng.uniform(0.5, 1.5),
        nothing=rng.uniform(0.25, 1.0),
        fatigue=rng.uniform(0.3, 0.9),
        habit=0.03,
    )
    policies = [SoftmaxPolicy(rng.uniform(0, 8), rng.uniform(0, 1), rng.uniform(-2, 2)) for _ in range(2)]
    return response, (policies[0], policies[1])


@dataclass(frozen=True)
class Contest:
    """Two policies in a world: rewards of the first week and returning after it, of each."""

    rewards: tuple[Mapping[str, float], Mapping[str, float]]
    returning: tuple[float, float]

    @property
    def is_first_better(self) -> bool:
        """Return whether listeners come back to the first policy."""
        return self.returning[0] > self.returning[1]

    def is_first_chosen(self, weights: Mapping[str, float]) -> bool:
        """Return whether the first policy has more reward."""
        value = [sum(weights.get(name, 0.0) * n for name, n in one.items()) for one in self.rewards]
        return value[0] > value[1]

    def is_right(self, weights: Mapping[str, float]) -> bool:
        """Return whether the policy with more reward is the one that listeners come back to."""
        return self.is_first_chosen(weights) == self.is_first_better


def run_contest(seed: int, users: int = 100, draw: int = 0) -> Contest:
    """Serve both policies of a world; draw: which of the courses that its days may take."""
    response, policies = draw_contest(seed)
    world = new_world(seed, users)
    found = [serve(world, policy, response, DAYS, 1000 * draw + seed) for policy in policies]
    rewards = [week_rewards(world, days) for _, days in found]
    back = [returning(worlds) for worlds, _ in found]
    return Contest((rewards[0], rewards[1]), (back[0], back[1]))


def weight_sets() -> dict[str, dict[str, float]]:
    """Return the default weights, those without one reward each, and those of one reward alone."""
    sets = {"default weights": dict(REWARD_WEIGHTS)}
    sets["retained_28d five times"] = {**REWARD_WEIGHTS, "retained_28d": 5 * REWARD_WEIGHTS["retained_28d"]}
    sets |= {f"without {name}": {**REWARD_WEIGHTS, name: 0.0} for name in REWARD_NAMES}
    return sets | {f"{name} alone": {name: REWARD_WEIGHTS[name]} for name in REWARD_NAMES}


def count_agreeing(draws: Sequence[Contest]) -> tuple[int, int]:
    """Return in how many ordered pairs of draws of a world the same policy is better, and the number of pairs."""
    first = sum(one.is_first_better for one in draws)
    other = len(draws) - first
    return first * (first - 1) + other * (other - 1), len(draws) * (len(draws) - 1)


def main(num_worlds: int) -> None:
    """Print how often each set of weights is right, and how often anything can be."""
    worlds = [[run_contest(seed, draw=draw) for draw in range(NUM_DRAWS)] for seed in range(num_worlds)]
    gaps = [abs(draws[0].returning[0] / draws[0].returning[1] - 1) for draws in worlds]
    agreeing, pairs = np.sum([count_agreeing(draws) for draws in worlds], axis=0)
    clear = [draws for draws in worlds if count_agreeing(draws)[0] == NUM_DRAWS * (NUM_DRAWS - 1)]
    print(f"{num_worlds} worlds; returning of the two policies differs by {np.median(gaps):.1%} in the median")
    print(f"another draw of a world has the same better policy in {agreeing / pairs:.0%}; all have in {len(clear)}")
    for name, weights in weight_sets().items():
        right, of_clear = (sum(draws[0].is_right(weights) for draws in some) for some in (worlds, clear))
        print(f"{name}: {right} of {num_worlds}, {of_clear} of the {len(clear)} in which all draws agree")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else NUM_WORLDS)
