"""Sample the windows of plays that the sequence model is trained on, of plays that were known before a moment."""

from dataclasses import dataclass
from datetime import datetime, timezone

import apache_beam as beam
import polars as pl

from transforms.catalog.track_codes import open_tracks
from transforms.events.listening import is_listened
from transforms.events.user_samples import count_listeners, sample_users, sampling_share
from transforms.sequence_model.play_windows import PLAY_WINDOWS, windows_frame
from transforms.sequence_model.user_plays import training_windows, user_plays
from transforms.tables.buckets import MapBuckets, Opened

_BEGINNING = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(eq=False)
class SamplePlayWindows(beam.PTransform):
    """sample_play_windows() on every bucket, for a sample of about `max_users` users."""

    tracks_path: beam.PCollection
    as_of: datetime
    max_users: int
    seed: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Count the listeners, then sample the share of them that leaves about `max_users`."""
        share = sampling_share(plays | count_listeners(_BEGINNING, self.as_of), self.max_users)
        return plays | MapBuckets(
            sample_play_windows,
            out=PLAY_WINDOWS,
            tracks=Opened(self.tracks_path, open_tracks),
            share=share,
            as_of=self.as_of,
            seed=self.seed,
        )


def sample_play_windows(
    plays: pl.DataFrame, *, tracks: pl.DataFrame, share: float, as_of: datetime, seed: int
) -> pl.DataFrame:
    """PLAYS of whole users, in order -> PLAY_WINDOWS of sampled users, of plays known before `as_of`."""
    known = plays.filter(pl.col("known_at") < as_of)
    users = sample_users(known.filter(is_listened()).select("user_id"), share, seed)
    sampled = known.join(users, on="user_id", how="semi", maintain_order="left")
    return windows_frame(training_windows(user_plays(sampled, tracks["duration_ms"])))
