"""Random ranks of predicted plays."""

import numpy as np
import polars as pl

from transforms.evaluation.next_track.schemas import NEXT_TRACK_RANKS


def random_ranks(seed: int, num_users: int = 20) -> pl.DataFrame:
    """Draw NEXT_TRACK_RANKS of two systems."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "user_id": f"u{user:02d}",
            "number": number,
            "track": int(rng.integers(9)),
            "is_first": bool(number == 0 or rng.random() < 0.3),
            "is_repeat": bool(number > 0 and rng.random() < 0.4),
            "context": 0,
            "ranks": rng.integers(0, 130, 2).tolist(),
            "shares": [0.5, 0.5],
        }
        for user in range(num_users)
        for number in range(int(rng.integers(0, 3)), int(rng.integers(3, 12)))
    ]
    return NEXT_TRACK_RANKS.frame(rows)
