"""The oracle lists of the sample world: the best lists possible for the week after a cutoff.

The oracle knows the plays before the cutoff and the planted truth. The score of a track is the share of the user's
possible weeks (futures.py) with a listen to it. Scores are right on average, but a little high at the end of a list:
tracks enter it by chance.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from pipelines.sample_world.futures import WEEK_DAYS, WorldState, draw_listens, draw_weeks
from pipelines.sample_world.listeners import to_timestamps
from pipelines.sample_world.sessions import DAY_MS
from transforms.tables.columns import Column, Schema
from transforms.tables.groups import rank_in_run
from transforms.tables.schemas import TIMESTAMP

ORACLE_LISTS = Schema(
    "oracle_lists",
    (
        Column("user_id", pa.string(), "the user"),
        Column("track_id", pa.string(), "the track"),
        Column("rank", pa.int32(), "rank in the user's list, from 0"),
        Column(
            "score", pa.float64(), f"probability of listening for 30 s or more in the {WEEK_DAYS} days after cutoff_at"
        ),
        Column("cutoff_at", TIMESTAMP, "the cutoff; nothing drawn for later times is known"),
    ),
)
ORACLE_LENGTH = 100  # tracks that the user has played before, and as many others
# Plays in all futures of a user, about: ten times as many would add 2 % to the NDCG@10 of the lists.
PLAYS_PER_USER = 12_000
MIN_FUTURES, MAX_FUTURES = 100, 6_000
# Skips are drawn this often for each future: that costs little and makes scores finer.
_NUM_ENDINGS = 4
# Limit on plays and days of the futures drawn at once: they fit into the processor's cache.
_PLAYS_AND_DAYS_AT_ONCE = 200_000


def draw_oracle_lists(rng: np.random.Generator, state: WorldState) -> pa.Table:
    """Draw ORACLE_LISTS of the users of a block."""
    lists = [_rank(state, *_score(rng, state, future_of)) for future_of in _futures(state)]
    user, track, rank, score = (np.concatenate(parts) for parts in zip(*lists, strict=True))
    columns = {
        "user_id": state.listeners.user_id.take(pa.array(user)),
        "track_id": state.catalog.track_id.take(pa.array(track)),
        "rank": pa.array(rank.astype(np.int32)),
        "score": pa.array(score),
        "cutoff_at": to_timestamps(np.full(len(user), state.cutoff_at)),
    }
    return pa.table(columns, schema=ORACLE_LISTS.arrow)


def _futures(state: WorldState) -> Iterator[np.ndarray]:
    """Yield the user of each future to draw, a few users at a time."""
    num_plays = state.plays_per_week()
    num_futures = PLAYS_PER_USER / np.maximum(num_plays, PLAYS_PER_USER / MAX_FUTURES)
    num_futures = np.ceil(np.maximum(num_futures, MIN_FUTURES)).astype(np.int64)
    part = np.cumsum(num_futures * (num_plays + state.days_left())) // _PLAYS_AND_DAYS_AT_ONCE
    for first, last in zip(*(np.searchsorted(part, np.unique(part), side) for side in ("left", "right")), strict=True):
        yield np.repeat(np.arange(first, last), num_futures[first:last])


def _score(
    rng: np.random.Generator, state: WorldState, future_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a future for each of the users `future_of`; return users, tracks and the probability of a listen."""
    num_tracks, futures = len(state.catalog.artist), state.take(future_of)
    weeks = draw_weeks(rng, futures)
    played, pair = np.unique(weeks.plays.user * num_tracks + weeks.plays.track, return_inverse=True)
    num_listened = np.zeros(len(played), dtype=np.int64)
    for _ in range(_NUM_ENDINGS):
        num_listened += np.bincount(pair, draw_listens(rng, futures, weeks), minlength=len(played)) > 0
    future, track = np.divmod(played, num_tracks)
    key, of_key = np.unique(future_of[future] * num_tracks + track, return_inverse=True)
    user, track = np.divmod(key, num_tracks)
    num_futures = np.bincount(future_of, weeks.is_possible)[user]
    score = np.bincount(of_key, num_listened, minlength=len(key)) / (_NUM_ENDINGS * num_futures)
    return user[score > 0], track[score > 0], score[score > 0]


def _rank(
    state: WorldState, user: np.ndarray, track: np.ndarray, score: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return users, tracks, ranks and scores: the best ORACLE_LENGTH tracks played before, and as many others.

    Tracks released after the day of the cutoff are left out: nobody can recommend them yet.
    """
    is_out = state.catalog.release_day[track] <= state.cutoff_at // DAY_MS
    user, track, score = user[is_out], track[is_out], score[is_out]
    is_played = state.past.has_played(user, track)
    order = np.lexsort((track, -score, is_played, user))
    kept = order[rank_in_run((2 * user + is_played)[order]) < ORACLE_LENGTH]
    kept = kept[np.lexsort((track[kept], -score[kept], user[kept]))]
    return user[kept], track[kept], rank_in_run(user[kept]), score[kept]
