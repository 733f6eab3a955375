"""Which tracks are heard near each other: the first listens of users, and the track buckets that each belongs to."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.events.listening import is_listened
from transforms.tables.columns import categories
from transforms.tables.hashing import stable_hash
from transforms.tables.schemas import LISTENS

# Two first listens of a user are a pair up to this distance, within and across sessions.
CO_LISTEN_WINDOW = 20
_FEW_BUCKETS = 8
# First listens of a user that count, the newest: one who has heard everything says little of what belongs together.
_MAX_TRACKS_PER_USER = 2_000


def keep_first_listens(plays: pl.DataFrame, *, moments: Sequence[datetime]) -> pl.DataFrame:
    """PLAYS in order -> LISTENS: what each moment takes for a user's first listen to a track.

    Only the first time that a user listens to a track counts: what is repeated would say over and over what it is
    heard with. A play that arrived late is not there for the moments before, and then another play is the first.
    """
    heard = plays.filter(is_listened() & (pl.col("known_at") < moments[-1]) & pl.col("track").is_not_null()).select(
        pl.col("track"),
        "known_at",
        user=pl.col("user_id").to_physical().cast(pl.Int64),
        hour=(pl.col("played_at").dt.timestamp("ms") // 3_600_000).cast(pl.Int32),
    )
    bits = pl.zeros(len(heard), dtype=pl.Int32, eager=True)
    for place, moment in enumerate(moments):
        bits += _is_first(heard, moment).cast(pl.Int32) * 2**place
    # users of several buckets meet in a track bucket: a code would stand for two of them
    hashes = stable_hash(categories(plays["user_id"]), seed=0).view(np.int64)
    user = hashes[heard["user"].to_numpy()]
    listens = heard.with_columns(user=pl.Series(user), moments=bits, is_own=pl.lit(True))
    return listens.filter(bits > 0).select(LISTENS.names)


def _is_first(heard: pl.DataFrame, moment: datetime) -> pl.Series:
    """Whether a row is a first listen among those known before a moment, and one of its user's newest."""
    is_known = heard["known_at"] < moment
    key = heard.select(pl.when(pl.col("known_at") < moment).then(pl.col("user") * 2**32 + pl.col("track"))).to_series()
    is_first = (key.is_first_distinct() & is_known).to_numpy()
    _, end = spans(heard["user"].to_numpy())
    so_far = np.append(0, np.cumsum(is_first))
    return pl.Series(is_first & (so_far[end] - so_far[:-1] <= _MAX_TRACKS_PER_USER))


def spans(users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each row, the first row of its user and the row after the last; a user's rows stand together."""
    bounds = np.concatenate([[0], np.flatnonzero(users[1:] != users[:-1]) + 1, [len(users)]])
    sizes = np.diff(bounds)
    return np.repeat(bounds[:-1], sizes), np.repeat(bounds[1:], sizes)


def num_track_buckets(num_buckets: int) -> int:
    """How many buckets of tracks there are for so many of users.

    A listen goes to nearly all of a few buckets, and to at most 2 WINDOW + 1 of many: up to twice as many, all the
    listens are small enough to lie in each of FEW; beyond it, a bucket of tracks has at most 2 WINDOW + 1 times the
    listens of a bucket of users.
    """
    return num_buckets if num_buckets > 2 * (2 * CO_LISTEN_WINDOW + 1) else min(num_buckets, _FEW_BUCKETS)


def split_listens(table: pa.Table, column: str, num_buckets: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield for each bucket of tracks the listens to them and, as what is near, those at most WINDOW away.

        tracks   a b c d e   WINDOW 1, bucket of b:  a [b] c      bucket of d and e:  c [d e]

    A listen goes to at most 2 WINDOW + 1 buckets, where each of its pairs would have gone to two.
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
    """The places at most WINDOW from one that is own."""
    own, num = np.flatnonzero(is_own), len(is_own)
    opened = np.bincount(np.maximum(own - CO_LISTEN_WINDOW, 0), minlength=num)
    closed = np.bincount(np.minimum(own + CO_LISTEN_WINDOW + 1, num), minlength=num + 1)[:num]
    return np.flatnonzero(np.cumsum(opened - closed) > 0)
