"""Small random play logs."""

import numpy as np

from models.next_track.contract import PlayLog


def random_log(seed: int, num_plays: int = 200, num_users: int = 8, num_tracks: int = 12) -> PlayLog:
    """Draw plays of users in order, in sessions of a few plays, minutes apart."""
    rng = np.random.default_rng(seed)
    user = np.sort(rng.integers(num_users, size=num_plays)).astype(np.int32)
    gap = np.where(rng.random(num_plays) < 0.3, 90_000.0, 200.0)
    session = np.cumsum((gap > 1800) | (np.diff(user, prepend=-1) != 0)).astype(np.int32) - 1
    seconds = 1.7e9 + np.cumsum(gap)
    return PlayLog(user, rng.integers(num_tracks, size=num_plays).astype(np.int32), seconds, session, num_tracks)
