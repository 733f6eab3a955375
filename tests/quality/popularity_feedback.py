"""A greedy policy that learns popularity from the log that its own pages make, and one that shows a few random cards.

python -m tests.quality.popularity_feedback prints the share of the catalog on pages, in the first and the last week.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy.stats import t

from pipelines.sample_world.serving.response import Cards, Response
from pipelines.sample_world.serving.serve_day import ServedDay, serve_day
from pipelines.sample_world.serving.served_world import ServedWorld
from tests.quality.served_policies import DAY_MS, DAYS, HISTORY_DAYS, WEEK, new_world

NUM_WORLDS = 10
_SHELVES, _SIZE = 3, 4
_POPULARITY, _TASTE = 1.5, 4.0
_RESPONSE = Response(request_share=1.0, start=-1.0)


def page_coverage(seed: int, explored_share: float, users: int = 200, tracks: int = 2_000) -> tuple[float, float]:
    """Serve four weeks; return the mean share of the catalog on any page of a day in the first and in the last."""
    world, served, coverage = new_world(seed, users, tracks), list[ServedDay](), []
    for number in range(DAYS):
        cards = _draw_pages(np.random.default_rng([seed, 7, number]), world, served, explored_share)
        coverage.append(len(np.unique(cards.track)) / tracks)
        start = world.span[0] + (HISTORY_DAYS + number) * DAY_MS
        world, day = serve_day(np.random.default_rng([seed, 8, number]), world, cards, _RESPONSE, start)
        served.append(day)
    return float(np.mean(coverage[:WEEK])), float(np.mean(coverage[-WEEK:]))


def _draw_pages(
    rng: np.random.Generator, world: ServedWorld, served: Sequence[ServedDay], explored_share: float
) -> Cards:
    """Show the best by listens of the last week and by taste; a share of the cards is any track instead."""
    num_users, num_tracks, count = len(world.habit), len(world.catalog.artist), _SHELVES * _SIZE
    listens = [np.bincount(day.plays.track[day.is_listened], minlength=num_tracks) for day in served[-WEEK:]]
    before = np.bincount(world.past.traces.track, minlength=num_tracks) * WEEK / HISTORY_DAYS
    recent = np.sum(listens, axis=0) if listens else before
    score = _POPULARITY * np.log1p(recent) + _TASTE * (world.listeners.vector[0] @ world.catalog.vector.T)
    best = np.argsort(-score, axis=1)[:, :count]
    is_explored = rng.random(best.shape) < explored_share
    track = np.where(is_explored, rng.integers(num_tracks, size=best.shape), best)
    return Cards(
        first=np.arange(num_users + 1) * count,
        shelf=np.tile(np.repeat(np.arange(_SHELVES), _SIZE), num_users),
        position=np.tile(np.arange(_SIZE), _SHELVES * num_users),
        track=track.ravel(),
        propensity=np.ones(track.size),
        shelf_propensity=np.ones(track.size),
        shelf_id=pa.repeat("made_for_you", track.size),
    )


def log_mean(ratios: np.ndarray) -> str:
    """Return the geometric mean of ratios over worlds less 1, with its 95 % interval (Student's t)."""
    logs = np.log(ratios)
    half = t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    middle, low, high = (float(np.expm1(logs.mean() + one)) for one in (0.0, -half, half))
    return f"{middle:+.1%} ({low:+.1%} to {high:+.1%})"


def main() -> None:
    """Print both policies in NUM_WORLDS worlds."""
    shares = {"greedy": 0.0, "2 % explored": 0.02}
    found = {
        name: np.array([page_coverage(seed, share) for seed in range(1, NUM_WORLDS + 1)])
        for name, share in shares.items()
    }
    for name, weeks in found.items():
        first, last = weeks.mean(axis=0)
        print(f"{name}: {first:.1%} in the first week, {last:.1%} in the last: {log_mean(weeks[:, 1] / weeks[:, 0])}")
    greedy, explorer = found.values()
    print(f"explorer over greedy in the last week: {log_mean(explorer[:, 1] / greedy[:, 1])}")


if __name__ == "__main__":
    main()
