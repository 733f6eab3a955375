"""Samples of the users who listened in a window, by a hash of their ids: the same users for any number of buckets."""

from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.events.listening import is_listened
from transforms.tables.buckets import CombineBuckets, Element, Opened
from transforms.tables.columns import Column, Schema
from transforms.tables.hashing import stable_hash, uniform

USER_COUNT = Schema("user_count", (Column("n_users", pa.int64(), "users"),))


def count_listens_between(plays: pl.DataFrame, starts_at: datetime, ends_at: datetime) -> pl.DataFrame:
    """Count the listens of each user to each track in a window: user_id, track, n_plays."""
    within = pl.col("played_at").is_between(starts_at, ends_at, closed="left")
    listens = plays.filter(within & is_listened()).group_by("user_id", "track", maintain_order=True)
    return listens.agg(n_plays=pl.len().cast(pl.Int32))


def count_listeners(starts_at: datetime, ends_at: datetime) -> CombineBuckets:
    """Return the transform that counts the users who listened in a window; its input is PLAYS of whole users."""
    return CombineBuckets(count_users, sum_users, out=USER_COUNT, starts_at=starts_at, ends_at=ends_at)


def count_known_users() -> CombineBuckets:
    """Return the transform that counts all users; its input is PLAYS of whole users."""
    return CombineBuckets(count_user_ids, sum_users, out=USER_COUNT)


def count_user_ids(plays: pl.DataFrame) -> pl.DataFrame:
    """Count the users: PLAYS of whole users -> USER_COUNT."""
    return plays.select(n_users=pl.col("user_id").n_unique().cast(pl.Int64))


def count_users(plays: pl.DataFrame, *, starts_at: datetime, ends_at: datetime) -> pl.DataFrame:
    """Count the users who listened in a window: PLAYS -> USER_COUNT."""
    listens = count_listens_between(plays, starts_at, ends_at)
    return listens.select(n_users=pl.col("user_id").n_unique().cast(pl.Int64))


def sum_users(counts: pl.DataFrame) -> pl.DataFrame:
    """Sum USER_COUNT of several buckets."""
    return counts.select(pl.col("n_users").sum())


def sampling_share(n_users: object, max_users: int) -> Opened:
    """Return the share of the counted users that makes a sample of about `max_users`, computed where it is used.

    n_users: a collection of one USER_COUNT.
    """

    def share(element: Element) -> float:
        total: int = element[1].column("n_users")[0].as_py()
        return min(1.0, max_users / max(1, total))

    return Opened(n_users, share)


def sample_users(users: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Select the distinct users of a frame that are in the sample: user_id."""
    distinct = users.select(pl.col("user_id").unique(maintain_order=True))
    is_chosen: np.ndarray = uniform(stable_hash(distinct["user_id"], seed=seed)) < share
    return distinct.filter(pl.Series(is_chosen))
