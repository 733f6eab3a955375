"""A history of four users and a newcomer, small enough to derive every proposal and feature by hand."""

from typing import Any

import polars as pl

from tests.worlds import plays_of

MINUTE = 1 / 1440
# tracks_of(20): artists a0..a6 (none where number % 5 == 4), genre pop for odd numbers, 17, 18, 19 released in December
ROWS = [
    # ann plays 0 and 1 in one session, often, and dislikes 7
    *({"user_id": "ann", "track": track, "days": 5 + n + track * MINUTE * 4} for n in range(4) for track in (0, 1)),
    {"user_id": "ann", "track": 7, "days": 4, "action": 3},
    # bob, cat and dan play 2 right before 1, and all three play 3
    *(
        {"user_id": user, "track": track, "days": 3 + track * MINUTE * 4}
        for user in ("bob", "cat", "dan")
        for track in (1, 2)
    ),
    *({"user_id": user, "track": 3, "days": 2} for user in ("bob", "cat", "dan")),
    {"user_id": "bob", "track": 18, "days": 1},
    # cat and the newcomer have the same market; that of the others is unknown
    {"user_id": "cat", "track": None, "days": None, "market": 5},
    {"user_id": "new", "track": None, "days": None, "market": 5},
]


def small_plays(*more: dict[str, Any]) -> pl.DataFrame:
    """Return the PLAYS of ROWS and further rows."""
    return plays_of([*ROWS, *more])
