"""Make training examples: candidates of an earlier moment, labelled with what was listened to in the days after it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.buckets import MapBuckets, Opened
from transforms.candidates import Moment, candidates_at
from transforms.features import EXAMPLES
from transforms.merging import open_merge
from transforms.rewards import label_outcomes
from transforms.user_samples import chosen, count_listeners, listened_between, share_of


@dataclass(eq=False)
class SampleExamples(beam.PTransform):
    """sample_examples() on every bucket, of at most about `max_users` users."""

    moment: Moment
    merge_path: beam.PCollection
    max_candidates: int
    label_days: float
    known_until: datetime
    max_users: int
    seed: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Count the users who could give examples, then sample by a share that follows from the count."""
        ends_at = self.moment.as_of + timedelta(days=self.label_days)
        return plays | MapBuckets(
            sample_examples,
            out=EXAMPLES,
            share=share_of(plays | count_listeners(self.moment.as_of, ends_at), self.max_users),
            ends_at=ends_at,
            known_until=self.known_until,
            seed=self.seed,
            merge=Opened(self.merge_path, open_merge),
            max_candidates=self.max_candidates,
            **self.moment.arguments(),
        )


def sample_examples(
    plays: pl.DataFrame,
    *,
    as_of: datetime,
    ends_at: datetime,
    known_until: datetime,
    share: float,
    seed: int,
    **moment: Any,
) -> pl.DataFrame:
    """PLAYS of whole users, in order -> EXAMPLES of the sampled users who listened in the window.

           history, known before the cut      | window: as_of <= played_at < ends_at
        ---------------------------------- as_of ---------------------------------------------->
           candidates and their features      | labels

    Only candidates are examples: at serving time the ranker sees nothing else.
    """
    heard = listened_between(plays, as_of, ends_at)
    sampled = plays.join(chosen(heard, share, seed), on="user_id", how="semi", maintain_order="left")
    candidates = candidates_at(sampled, as_of=as_of, **moment)
    labelled = label_outcomes(
        candidates, sampled, catalog=moment["catalog"], as_of=as_of, ends_at=ends_at, known_until=known_until
    )
    return labelled.with_columns(cut_at=pl.lit(as_of)).select(EXAMPLES.names)
