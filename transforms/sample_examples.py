"""Make training examples: candidates of an earlier moment, labelled with what was listened to in the days after it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import apache_beam as beam
import polars as pl

from transforms.buckets import MapBuckets, Opened
from transforms.candidates import candidates_at
from transforms.catalogs import Catalog, open_catalog
from transforms.features import EXAMPLES
from transforms.user_samples import chosen, count_listeners, listened_between, share_of


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
        ends_at = self.cut_at + timedelta(days=self.label_days)
        return plays | MapBuckets(
            sample_examples,
            out=EXAMPLES,
            catalog=Opened(self.catalog_path, open_catalog),
            share=share_of(plays | count_listeners(self.cut_at, ends_at), self.max_users),
            cut_at=self.cut_at,
            ends_at=ends_at,
            seed=self.seed,
        )


def sample_examples(
    plays: pl.DataFrame, *, catalog: Catalog, cut_at: datetime, ends_at: datetime, share: float, seed: int
) -> pl.DataFrame:
    """PLAYS of whole users, in order -> EXAMPLES of the sampled users who listened in the window.

           history, known before the cut      | window: cut_at <= played_at < ends_at
        ---------------------------------- cut_at --------------------------------------------->
           candidates and their features      | labels

    Only candidates are examples: at serving time the ranker sees nothing else.
    """
    heard = listened_between(plays, cut_at, ends_at)
    sampled = plays.join(chosen(heard, share, seed), on="user_id", how="semi", maintain_order="left")
    candidates = candidates_at(sampled, catalog=catalog, as_of=cut_at)
    positives = heard.select("user_id", "track", label=pl.lit(1.0, dtype=pl.Float32))
    labelled = candidates.join(positives, on=["user_id", "track"], how="left", maintain_order="left")
    return labelled.with_columns(pl.col("label").fill_null(0.0), cut_at=pl.lit(cut_at))
