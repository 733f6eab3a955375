"""Publish all features of the candidates of some users, for reports of drift and explanations."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.catalog.track_codes import with_track_ids
from transforms.events.user_samples import sample_users, sampling_share
from transforms.pages.published_candidates import CANDIDATE_FEATURES
from transforms.tables.buckets import MapBuckets, Opened


@dataclass(eq=False)
class SampleFeatures(beam.PTransform):
    """sample_features() on every bucket of SCORED.

    n_users: a collection of one USER_COUNT, of all users. max_users: approximate number of users in the sample.
    """

    n_users: beam.PCollection
    track_codes: Opened
    max_users: int
    seed: int

    def expand(self, scored: beam.PCollection) -> beam.PCollection:
        """Map every bucket."""
        share = sampling_share(self.n_users, self.max_users)
        return scored | MapBuckets(
            sample_features, out=CANDIDATE_FEATURES, track_codes=self.track_codes, share=share, seed=self.seed
        )


def sample_features(scored: pl.DataFrame, *, track_codes: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """SCORED of whole users -> CANDIDATE_FEATURES of about `share` of the users: the same for any bucket."""
    users = sample_users(scored.select("user_id"), share, seed)
    sampled = scored.join(users, on="user_id", how="semi", maintain_order="left")
    return with_track_ids(sampled, track_codes).select(CANDIDATE_FEATURES.names)
