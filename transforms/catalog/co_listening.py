"""Co-listening: the first listen of each user to each track, and its distribution to buckets of tracks."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.events.listening import is_listened
from transforms.tables.columns import categories
from transforms.tables.hashing import stable_hash
from transforms.tables.schemas import LISTENS

# Two first listens of a user are a pair up to this distance in the order of listens, within and across sessions.
CO_LISTEN_WINDOW = 20
_FEW_BUCKETS = 8
# Only the newest first listens of a user count: users who have listened to everything say little about similarity.
_MAX_TRACKS_PER_USER = 2_000


def keep_first_listens(plays: pl.DataFrame, *, moments: Sequence[datetime]) -> pl.DataFrame:
    """Select the first listen of each user to each track as of each moment: PLAYS in order -> LISTENS.

    Repeated listens would count the same neighbours again and again. A play that arrived late is unknown at the moments
    before its arrival, where another play is the first listen.
    """
    known = plays.filter(is_listened() & (pl.col("known_at") < moments[-1]) & pl.col("track").is_not_null()).select(
        pl.col("track"),
        "known_at",
        user=pl.col("user_id").to_physical().cast(pl.Int64),
        hour=(pl.col("played_at").dt.timestamp("ms") // 3_600_000).cast(pl.Int32),
    )
    bits = pl.zeros(len(known), dtype=pl.Int32, eager=True)
    for index, moment in enumerate(moments):
        bits += _is_first(known, moment).cast(pl.Int32) * 2**index
    # users of several buckets meet in a track bucket, where codes would be ambiguous
    hashes = stable_hash(categories(plays["user_id"]), seed=0).view(np.int64)
    user = hashes[known["user"].to_numpy()]
    listens = known.with_columns(user=pl.Series(user), moments=bits, is_own=pl.lit(True))
    return listens.filter(bits > 0).select(LISTENS.names)


def _is_first(known: pl.DataFrame, moment: datetime) -> pl.Series:
    """Return whether each row is a first listen among those known before a moment, and among the user's newest."""
    is_known = known["known_at"] < moment
    key = known.select(pl.when(pl.col("known_at") < moment).then(pl.col("user") * 2**32 + pl.col("track"))).to_series()
    is_first = (key.is_first_distinct() & is_known).to_numpy()
    _, end = _user_bounds(known["user"].to_numpy())
    so_far = np.append(0, np.cumsum(is_first))
    return pl.Series(is_first & (so_far[end] - so_far[:-1] <= _MAX_TRACKS_PER_USER))


def _user_bounds(users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each row, the first row of its user and the row after the last; rows are grouped by user."""
    bounds = np.concatenate([[0], np.flatnonzero(users[1:] != users[:-1]) + 1, [len(users)]])
    sizes = np.diff(bounds)
    return np.repeat(bounds[:-1], sizes), np.repeat(bounds[1:], sizes)


def num_track_buckets(num_buckets: int) -> int:
    """Return the number of track buckets for a number of user buckets.

    With w = 2 CO_LISTEN_WINDOW + 1, a listen is copied to at most w track buckets, and to nearly all if they are few.
    Up to 2 w user buckets, all listens fit in each of a few track buckets; beyond, there are as many track buckets as
    user buckets, and a track bucket has at most w times the listens of a user bucket.
    """
    return num_buckets if num_buckets > 2 * (2 * CO_LISTEN_WINDOW + 1) else min(num_buckets, _FEW_BUCKETS)


def split_listens(table: pa.Table, column: str, num_buckets: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield for each track bucket the listens to its tracks, and those at most CO_LISTEN_WINDOW away from one.

        tracks   a b c d e   window 1, bucket of b:  a [b] c      bucket of d and e:  c [d e]

    A listen is copied to at most 2 CO_LISTEN_WINDOW + 1 buckets; pairs would be copied to two buckets each.
    """
    buckets = (stable_hash(table.column(column).combine_chunks(), seed=0) % num_buckets).astype(np.int64)
    moments = table.column("moments").to_numpy()
    chosen = [np.flatnonzero(moments & 1 << place) for place in range(int(moments.max(initial=0)).bit_length())]
    for bucket in np.unique(buckets):
        is_own = buckets == bucket
        is_near = np.zeros(len(buckets), dtype=bool)
        for rows in chosen:
            is_near[rows[_within(is_own[rows])]] = True
        near = np.flatnonzero(is_near)
        piece = table.take(pa.array(near)).drop_columns("is_own").append_column("is_own", pa.array(is_own[near]))
        yield int(bucket), piece


def _within(is_own: np.ndarray) -> np.ndarray:
    """Return the rows at most CO_LISTEN_WINDOW from a row that is own."""
    own, num = np.flatnonzero(is_own), len(is_own)
    opened = np.bincount(np.maximum(own - CO_LISTEN_WINDOW, 0), minlength=num)
    closed = np.bincount(np.minimum(own + CO_LISTEN_WINDOW + 1, num), minlength=num + 1)[:num]
    return np.flatnonzero(np.cumsum(opened - closed) > 0)
