"""Tiny worlds, and pages for them."""

from datetime import datetime, timedelta, timezone
from functools import cache

import numpy as np
import pyarrow as pa

from pipelines.sample_world.serving.response import Cards
from pipelines.sample_world.serving.served_world import ServedWorld, start_world
from pipelines.sample_world.world import WorldSpec

STARTS_AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
START_MS, DAY_MS = int(STARTS_AT.timestamp() * 1000), 86_400_000
USERS, TRACKS, HISTORY_DAYS, DAYS = 30, 200, 20, 10


@cache
def world(seed: int = 1, users: int = USERS) -> ServedWorld:
    """Make a world that nothing was served to."""
    return start_world(spec(seed, users), START_MS)[0]


def spec(seed: int = 1, users: int = USERS) -> WorldSpec:
    ends_at = STARTS_AT + timedelta(days=DAYS)
    return WorldSpec(num_users=users, num_tracks=TRACKS, num_days=HISTORY_DAYS + DAYS, seed=seed, ends_at=ends_at)


def pages(num_users: int = USERS, shelves: int = 3, size: int = 4, seed: int = 1) -> Cards:
    """Make a page of random tracks for each user."""
    rng, count = np.random.default_rng(seed), shelves * size
    track = np.concatenate([rng.permutation(TRACKS)[:count] for _ in range(num_users)])
    shelf = np.tile(np.repeat(np.arange(shelves), size), num_users)
    return Cards(
        first=np.arange(num_users + 1) * count,
        shelf=shelf,
        position=np.tile(np.arange(size), shelves * num_users),
        track=track,
        propensity=np.full(len(track), 0.5),
        shelf_propensity=np.full(len(track), 0.25),
        shelf_id=pa.array([f"shelf_{number}" for number in shelf]),
    )


def no_pages(num_users: int = USERS) -> Cards:
    return pages(num_users, shelves=0)
