"""The best lists of the sample world: what the past and the planted truth tell, at a moment, of the week to come.

The share of a user's possible weeks (sample_futures.py) in which the user listens to a track is its score. Scores are
right on average, but those at the end of a list are a little high: chance has helped them in.
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
        Column("user_id", pa.string(), "for whom"),
        Column("track_id", pa.string(), "what"),
        Column("rank", pa.int32(), "place in the user's list, from 0"),
        Column(
            "score", pa.float64(), f"probability of listening for 30 s or more in the {WEEK_DAYS} days after cutoff_at"
        ),
        Column("cutoff_at", TIMESTAMP, "the moment; nothing drawn for later times is known"),
    ),
)
ORACLE_LENGTH = 100  # tracks that the user has played, and as many others
# A user's futures hold about so many plays: ten times as many would add 2 % to the NDCG@10 of the lists.
PLAYS_PER_USER = 12_000
MIN_FUTURES, MAX_FUTURES = 100, 6_000
# To draw again which plays of a future are skipped costs little and makes the scores finer.
NUM_ENDINGS = 4
# Futures at once: as many as have so many plays and days together. They fit into the processor's cache.
PLAYS_AND_DAYS_AT_ONCE = 200_000


def draw_oracle_lists(rng: np.random.Generator, moment: WorldState) -> pa.Table:
    """Return BEST_LISTS of the users of a block."""
    lists = [_rank(moment, *_score(rng, moment, future_of)) for future_of in _futures(moment)]
    user, track, rank, score = (np.concatenate(parts) for parts in zip(*lists, strict=True))
    columns = {
        "user_id": moment.listeners.user_id.take(pa.array(user)),
        "track_id": moment.catalog.track_id.take(pa.array(track)),
        "rank": pa.array(rank.astype(np.int32)),
        "score": pa.array(score),
        "cutoff_at": to_timestamps(np.full(len(user), moment.cutoff_at)),
    }
    return pa.table(columns, schema=ORACLE_LISTS.arrow)


def _futures(moment: WorldState) -> Iterator[np.ndarray]:
    """Yield the user of each future to draw, some whole users at a time."""
    num_plays = moment.plays_per_week()
    num_futures = PLAYS_PER_USER / np.maximum(num_plays, PLAYS_PER_USER / MAX_FUTURES)
    num_futures = np.ceil(np.maximum(num_futures, MIN_FUTURES)).astype(np.int64)
    part = np.cumsum(num_futures * (num_plays + moment.days_left())) // PLAYS_AND_DAYS_AT_ONCE
    for first, last in zip(*(np.searchsorted(part, np.unique(part), side) for side in ("left", "right")), strict=True):
        yield np.repeat(np.arange(first, last), num_futures[first:last])


def _score(
    rng: np.random.Generator, moment: WorldState, future_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a future for each of the users `future_of`; return users, tracks and how probably they come together."""
    num_tracks, futures = len(moment.catalog.artist), moment.of(future_of)
    weeks = draw_weeks(rng, futures)
    played, pair = np.unique(weeks.plays.user * num_tracks + weeks.plays.track, return_inverse=True)
    num_heard = np.zeros(len(played), dtype=np.int64)
    for _ in range(NUM_ENDINGS):
        num_heard += np.bincount(pair, draw_listens(rng, futures, weeks), minlength=len(played)) > 0
    future, track = np.divmod(played, num_tracks)
    key, of_key = np.unique(future_of[future] * num_tracks + track, return_inverse=True)
    user, track = np.divmod(key, num_tracks)
    num_futures = np.bincount(future_of, weeks.is_possible)[user]
    score = np.bincount(of_key, num_heard, minlength=len(key)) / (NUM_ENDINGS * num_futures)
    return user[score > 0], track[score > 0], score[score > 0]


def _rank(
    moment: WorldState, user: np.ndarray, track: np.ndarray, score: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return users, tracks, ranks, scores: the best BEST_LENGTH tracks that a user has played, and of the others.

    Tracks that come out after the day of the moment are left out: nobody can recommend them yet.
    """
    is_out = moment.catalog.release_day[track] <= moment.cutoff_at // DAY_MS
    user, track, score = user[is_out], track[is_out], score[is_out]
    is_known = moment.past.has_heard(user, track)
    order = np.lexsort((track, -score, is_known, user))
    kept = order[rank_in_run((2 * user + is_known)[order]) < ORACLE_LENGTH]
    kept = kept[np.lexsort((track[kept], -score[kept], user[kept]))]
    return user[kept], track[kept], rank_in_run(user[kept]), score[kept]
