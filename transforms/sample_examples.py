"""Make training examples: candidates of an earlier moment, labelled with what was listened to in the days after it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.buckets import CombineBuckets, MapBuckets, Opened
from transforms.candidates import candidates_at
from transforms.catalogs import Catalog, open_catalog
from transforms.co_listening import is_listened
from transforms.columns import Column, Schema
from transforms.features import EXAMPLES
from transforms.hashing import stable_hash, uniform

N_USERS = Schema("user_count", (Column("n_users", pa.int64(), "users"),))


@dataclass(eq=False)
class SampleExamples(beam.PTransform):
    """sample_examples() on every bucket, of at most about `max_users` users."""

    catalog_path: beam.PCollection
    cut_at: datetime
    label_days: float
    max_users: int
    seed: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Count the users who could give examples, then sample by a share that follows from the count."""
        window = {"cut_at": self.cut_at, "label_days": self.label_days}
        n_users = plays | CombineBuckets(count_active_users, sum_users, out=N_USERS, **window)
        return plays | MapBuckets(
            sample_examples,
            out=EXAMPLES,
            catalog=Opened(self.catalog_path, open_catalog),
            share=Opened(n_users, self.share_of),
            seed=self.seed,
            **window,
        )

    def share_of(self, n_users: tuple[int, pa.Table]) -> float:
        """Which share of the active users makes about `max_users`."""
        total: int = n_users[1].column("n_users")[0].as_py()
        return min(1.0, self.max_users / max(1, total))


def sample_examples(
    plays: pl.DataFrame, *, catalog: Catalog, cut_at: datetime, label_days: float, share: float, seed: int
) -> pl.DataFrame:
    """PLAYS of whole users, in order -> EXAMPLES of the sampled users who listened in the window.

           history, known before the cut      | window: cut_at <= played_at < cut_at + label_days
        ---------------------------------- cut_at --------------------------------------------->
           candidates and their features      | labels

    Only candidates are examples: at serving time the ranker sees nothing else.
    """
    heard = listened_in_window(plays, cut_at=cut_at, label_days=label_days)
    users = heard.select(pl.col("user_id").unique(maintain_order=True))
    chosen = uniform(stable_hash(users["user_id"], seed=seed)) < share
    sampled = plays.join(users.filter(pl.Series(chosen)), on="user_id", how="semi", maintain_order="left")
    candidates = candidates_at(sampled, catalog=catalog, as_of=cut_at)
    positives = heard.select("user_id", "track", label=pl.lit(1.0, dtype=pl.Float32))
    labelled = candidates.join(positives, on=["user_id", "track"], how="left", maintain_order="left")
    return labelled.with_columns(pl.col("label").fill_null(0.0), cut_at=pl.lit(cut_at))


def listened_in_window(plays: pl.DataFrame, *, cut_at: datetime, label_days: float) -> pl.DataFrame:
    """Which user listened to which track in the window, each pair once."""
    within = pl.col("played_at").is_between(cut_at, cut_at + timedelta(days=label_days), closed="left")
    return plays.filter(within & is_listened()).select("user_id", "track").unique(maintain_order=True)


def count_active_users(plays: pl.DataFrame, *, cut_at: datetime, label_days: float) -> pl.DataFrame:
    """PLAYS -> N_USERS: how many listened in the window."""
    heard = listened_in_window(plays, cut_at=cut_at, label_days=label_days)
    return heard.select(n_users=pl.col("user_id").n_unique().cast(pl.Int64))


def sum_users(counts: pl.DataFrame) -> pl.DataFrame:
    """N_USERS of several buckets -> N_USERS of all."""
    return counts.select(pl.col("n_users").sum())
