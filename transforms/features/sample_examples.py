"""Make training examples: candidates as of an earlier moment, labelled with their outcomes in the days after it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.candidates.blending import open_blend
from transforms.events.match_impressions import (
    FIRST_IMPRESSIONS,
    add_impressions,
    earliest_impressions,
    first_impressions,
)
from transforms.events.user_samples import count_listeners, count_listens_between, sample_users, sampling_share
from transforms.features.feature_tables import EXAMPLES
from transforms.features.hydrate import Snapshot, hydrate_candidates
from transforms.features.label_outcomes import label_outcomes
from transforms.tables.buckets import CombineBuckets, MapBuckets, Opened, open_frame


@dataclass(eq=False)
class SampleExamples(beam.PTransform):
    """sample_examples() on every bucket, with at most about `max_users` users; impressions: IMPRESSION_ROWS, if any."""

    snapshot: Snapshot
    blend_path: beam.PCollection
    impressions: beam.PCollection | None
    track_codes: Opened
    max_candidates: int
    label_days: float
    known_until: datetime
    max_users: int
    seed: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Count the users who listened in the window, then sample the share of them that `max_users` allows."""
        ends_at = self.snapshot.as_of + timedelta(days=self.label_days)
        share = sampling_share(plays | count_listeners(self.snapshot.as_of, ends_at), self.max_users)
        return plays | MapBuckets(
            sample_examples,
            out=EXAMPLES,
            share=share,
            impressions=self._first_impressions(share, ends_at),
            ends_at=ends_at,
            known_until=self.known_until,
            seed=self.seed,
            blend=Opened(self.blend_path, open_blend),
            max_candidates=self.max_candidates,
            **self.snapshot.arguments(),
        )

    def _first_impressions(self, share: Opened, ends_at: datetime) -> Opened | None:
        """Return the first impressions of the sampled users in the window; like the sample, they fit in memory."""
        if self.impressions is None:
            return None
        window = {"starts_at": self.snapshot.as_of, "ends_at": ends_at}
        sample = {"track_codes": self.track_codes, "share": share, "seed": self.seed}
        found = self.impressions | CombineBuckets(
            first_impressions, earliest_impressions, out=FIRST_IMPRESSIONS, **sample, **window
        )
        return Opened(found, open_frame)


def sample_examples(
    plays: pl.DataFrame,
    *,
    as_of: datetime,
    ends_at: datetime,
    known_until: datetime,
    share: float,
    impressions: pl.DataFrame | None,
    seed: int,
    **snapshot: Any,
) -> pl.DataFrame:
    """Return the EXAMPLES of sampled users who listened in the window, from the ordered PLAYS of whole users.

           history, known before as_of        | label window: as_of <= played_at < ends_at
        ------------------------------------ as_of ---------------------------------------------->
           candidates and their features      | labels and impressions

    Only candidates are examples: at serving time the ranker sees nothing else.
    """
    listens = count_listens_between(plays, as_of, ends_at)
    sampled = plays.join(sample_users(listens, share, seed), on="user_id", how="semi", maintain_order="left")
    candidates = hydrate_candidates(sampled, as_of=as_of, **snapshot)
    labelled = label_outcomes(
        candidates, sampled, catalog=snapshot["catalog"], as_of=as_of, ends_at=ends_at, known_until=known_until
    )
    examples = add_impressions(labelled, impressions, sampled, as_of)
    return examples.with_columns(cutoff_at=pl.lit(as_of)).select(EXAMPLES.names)
