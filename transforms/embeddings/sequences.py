"""SEQUENCES: users as the towers see them: consecutive plays, the most played tracks, and the histogram of dayparts."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa

from models.towers.contract import DAY_PARTS, FREQUENT_LENGTH, SEQUENCE_LENGTH, Sequences
from transforms.events.listening import is_listened
from transforms.tables.columns import Column, Schema, to_frame
from transforms.tables.groups import rank_in_run
from transforms.tables.hashing import mix, stable_hash, uniform

# Maximum number of training sequences per user, so that heavy users do not dominate the training.
SEQUENCES_PER_USER = 12

SEQUENCES = Schema(
    "sequences",
    (
        Column("user_key", pa.int64(), "hash of the user's id, for an order that does not depend on buckets"),
        Column("number", pa.int32(), "number of the play in the middle of the sequence, among the user's plays"),
        Column("tracks", pa.list_(pa.int32(), SEQUENCE_LENGTH), "codes of consecutive plays, newest first, -1 padded"),
        Column("frequent", pa.list_(pa.int32(), FREQUENT_LENGTH), "the user's most played tracks, -1 padded"),
        Column(
            "daypart_histogram", pa.list_(pa.float32(), DAY_PARTS), "shares of plays in the quarters of the day (UTC)"
        ),
    ),
)


def latest_sequences(plays: pl.DataFrame, *, as_of: datetime) -> Sequences:
    """PLAYS of whole users, in order -> one sequence per user: the latest plays known before `as_of`."""
    listens = _Listens(plays, as_of)
    rows = listens.ends[:, None] - 1 - np.arange(SEQUENCE_LENGTH)[None]
    tracks = listens.tracks_at(rows, np.arange(len(listens.ends)))
    return Sequences(tracks, listens.frequent_tracks(), listens.daypart_histogram())


def draw_sequences(plays: pl.DataFrame, *, as_of: datetime, users: pl.DataFrame, seed: int) -> pl.DataFrame:
    """PLAYS of whole users, in order -> SEQUENCES of `users` (user_id), around random plays of each user.

    The random plays follow from the user's id and the play's number. A sequence has at least two different tracks.
    """
    listens = _Listens(plays.join(users, on="user_id", how="semi", maintain_order="left"), as_of)
    number = rank_in_run(listens.user)
    key = stable_hash(listens.ids, seed=seed)
    drawn = uniform(mix(key[listens.user] + number.astype(np.uint64)))
    order = np.lexsort((drawn, listens.user))
    chosen = np.sort(order[rank_in_run(listens.user[order]) < SEQUENCES_PER_USER])
    rows = chosen[:, None] + np.arange(SEQUENCE_LENGTH // 2, SEQUENCE_LENGTH // 2 - SEQUENCE_LENGTH, -1)[None]
    user = listens.user[chosen]
    tracks = listens.tracks_at(rows, user)
    frame = pl.DataFrame(
        {
            "user_key": key[user].view(np.int64),
            "number": number[chosen].astype(np.int32),
            "tracks": tracks,
            "frequent": listens.frequent_tracks()[user],
            "daypart_histogram": listens.daypart_histogram()[user],
        },
        schema=dict(SEQUENCES.frame().schema),
    )
    return frame.filter(pl.Series(((tracks != tracks[:, :1]) & (tracks >= 0)).any(axis=1), dtype=pl.Boolean))


def concat_sequences(tables: Sequence[tuple[int, pa.Table]]) -> Sequences:
    """SEQUENCES of all buckets -> arrays, in an order that does not depend on the buckets."""
    table = pa.concat_tables([SEQUENCES.empty(), *(table for _, table in tables)])
    frame = to_frame(table).sort("user_key", "number")
    lengths = {"tracks": SEQUENCE_LENGTH, "frequent": FREQUENT_LENGTH, "daypart_histogram": DAY_PARTS}
    return Sequences(**{name: frame[name].to_numpy().reshape(-1, length) for name, length in lengths.items()})


class _Listens:
    """The plays of 30 s or more that were known before `as_of`, by user and then by time: arrays [L] and [U].

    ids [U]: user ids. user [L]: index of the user. track [L]: code. daypart [L]: quarter of the day (UTC).
    starts, ends [U]: rows of each user.
    """

    def __init__(self, plays: pl.DataFrame, as_of: datetime) -> None:
        self.ids = plays["user_id"].unique(maintain_order=True)
        coded = plays.select("track", "played_at", is_one=is_listened() & (pl.col("known_at") < as_of))
        coded = coded.with_columns(user=plays["user_id"].rle_id()).filter("is_one", pl.col("track").is_not_null())
        self.user = coded["user"].to_numpy().astype(np.int64)
        self.track = coded["track"].to_numpy()
        self.daypart = coded["played_at"].dt.hour().to_numpy().astype(np.int64) * DAY_PARTS // 24
        edges = np.searchsorted(self.user, np.arange(len(self.ids) + 1))
        self.starts, self.ends = edges[:-1], edges[1:]

    def tracks_at(self, rows: np.ndarray, user: np.ndarray) -> np.ndarray:
        """Return the tracks at rows [S, L] that belong to user [S], moved to the front: int32 [S, L], -1 padded."""
        is_users = (rows >= self.starts[user][:, None]) & (rows < self.ends[user][:, None])
        if not len(self.track):
            return np.full(rows.shape, -1, dtype=np.int32)
        found = np.where(is_users, self.track[np.where(is_users, rows, 0)], -1).astype(np.int32)
        return np.take_along_axis(found, np.argsort(~is_users, axis=1, kind="stable"), axis=1)

    def frequent_tracks(self) -> np.ndarray:
        """Return the most played tracks of each user, ties by code: int32 [U, FREQUENT_LENGTH], -1 padded."""
        counts = pl.DataFrame({"user": self.user, "track": self.track}).group_by("user", "track").len()
        ordered = counts.sort("user", "len", "track", descending=[False, True, False])
        user = ordered["user"].to_numpy()
        rank = rank_in_run(user)
        found = np.full((len(self.ids), FREQUENT_LENGTH), -1, dtype=np.int32)
        is_kept = rank < FREQUENT_LENGTH
        found[user[is_kept], rank[is_kept]] = ordered["track"].to_numpy()[is_kept]
        return found

    def daypart_histogram(self) -> np.ndarray:
        """Compute the share of each user's plays in each quarter of the day: float32 [U, DAY_PARTS]."""
        count = np.bincount(self.user * DAY_PARTS + self.daypart, minlength=len(self.ids) * DAY_PARTS)
        count = count.reshape(-1, DAY_PARTS)
        return (count / np.maximum(count.sum(axis=1, keepdims=True), 1)).astype(np.float32)
