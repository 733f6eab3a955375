"""Make training examples: candidates of an earlier moment, labelled with what was listened to in the days after it."""

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
from transforms.features.features import EXAMPLES
from transforms.features.hydrate import Snapshot, hydrate_candidates
from transforms.features.label_outcomes import label_outcomes
from transforms.tables.buckets import CombineBuckets, MapBuckets, Opened, open_frame


@dataclass(eq=False)
class SampleExamples(beam.PTransform):
    """sample_examples() on every bucket, of at most about `max_users` users; impressions: IMPRESSION_ROWS, if any."""

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
        """Count the users who could give examples, then sample by a share that follows from the count."""
        ends_at = self.snapshot.as_of + timedelta(days=self.label_days)
        share = sampling_share(plays | count_listeners(self.snapshot.as_of, ends_at), self.max_users)
        return plays | MapBuckets(
            sample_examples,
            out=EXAMPLES,
            share=share,
            shown=self._shown(share, ends_at),
            ends_at=ends_at,
            known_until=self.known_until,
            seed=self.seed,
            blend=Opened(self.blend_path, open_blend),
            max_candidates=self.max_candidates,
            **self.snapshot.arguments(),
        )

    def _shown(self, share: Opened, ends_at: datetime) -> Opened | None:
        """What the sampled users were shown in the window: small enough for every worker, as the sample is."""
        if self.impressions is None:
            return None
        window = {"starts_at": self.snapshot.as_of, "ends_at": ends_at}
        known = {"track_codes": self.track_codes, "share": share, "seed": self.seed}
        shown = self.impressions | CombineBuckets(
            first_impressions, earliest_impressions, out=FIRST_IMPRESSIONS, **known, **window
        )
        return Opened(shown, open_frame)


def sample_examples(
    plays: pl.DataFrame,
    *,
    as_of: datetime,
    ends_at: datetime,
    known_until: datetime,
    share: float,
    shown: pl.DataFrame | None,
    seed: int,
    **snapshot: Any,
) -> pl.DataFrame:
    """PLAYS of whole users, in order -> EXAMPLES of the sampled users who listened in the window.

           history, known before the cutoff      | window: as_of <= played_at < ends_at
        ---------------------------------- as_of ---------------------------------------------->
           candidates and their features      | labels, and how they were shown

    Only candidates are examples: at serving time the ranker sees nothing else.
    """
    heard = count_listens_between(plays, as_of, ends_at)
    sampled = plays.join(sample_users(heard, share, seed), on="user_id", how="semi", maintain_order="left")
    candidates = hydrate_candidates(sampled, as_of=as_of, **snapshot)
    labelled = label_outcomes(
        candidates, sampled, catalog=snapshot["catalog"], as_of=as_of, ends_at=ends_at, known_until=known_until
    )
    exposed = add_impressions(labelled, shown, sampled, as_of)
    return exposed.with_columns(cutoff_at=pl.lit(as_of)).select(EXAMPLES.names)
