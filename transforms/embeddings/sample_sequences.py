"""Sample the training sequences of the towers, of plays that were known before a moment."""

from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import polars as pl

from transforms.embeddings.sequences import SEQUENCES, draw_sequences
from transforms.events.listening import is_listened
from transforms.events.user_samples import count_listeners, sample_users, sampling_share
from transforms.tables.buckets import MapBuckets

_BEGINNING = datetime(1970, 1, 1)


@dataclass(eq=False)
class SampleSequences(beam.PTransform):
    """sample_sequences() on every bucket, for a sample of about `max_users` users."""

    as_of: datetime
    max_users: int
    seed: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Count the listeners, then sample the share of them that leaves about `max_users`."""
        n_users = plays | count_listeners(_BEGINNING.replace(tzinfo=self.as_of.tzinfo), self.as_of)
        share = sampling_share(n_users, self.max_users)
        return plays | MapBuckets(sample_sequences, out=SEQUENCES, share=share, as_of=self.as_of, seed=self.seed)


def sample_sequences(plays: pl.DataFrame, *, as_of: datetime, share: float, seed: int) -> pl.DataFrame:
    """PLAYS of whole users, in order -> SEQUENCES of sampled users, of plays known before `as_of`."""
    listeners = plays.filter(is_listened() & (pl.col("known_at") < as_of)).select("user_id")
    return draw_sequences(plays, as_of=as_of, users=sample_users(listeners, share, seed), seed=seed)
