"""Sample plays of the last weeks, each with what was known before it: the examples of chances of skips."""

from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.catalog.track_codes import open_tracks
from transforms.catalog.track_content import ContentKeys, open_content_keys
from transforms.events.user_samples import count_listeners, sample_users, sampling_share
from transforms.now_playing.skips.session_plays import SessionPlays, session_plays, sum_before
from transforms.now_playing.skips.skip_examples import SKIP_EXAMPLES
from transforms.now_playing.skips.skip_features import (
    TrackFigures,
    own_features,
    plays_before,
    session_features,
)
from transforms.now_playing.skips.track_facts import track_facts
from transforms.tables.buckets import MapBuckets, Opened, open_frame
from transforms.tables.hashing import stable_hash


@dataclass(frozen=True)
class SkipWindow:
    """Plays from starts_at to as_of, of users sampled by a hash with a seed."""

    starts_at: datetime
    as_of: datetime
    seed: int


@dataclass(eq=False)
class SampleSkips(beam.PTransform):
    """sample_skips() on every bucket, for a sample of about `max_users` users.

    counts: TRACK_COUNTS before the window.
    """

    counts: beam.PCollection
    tracks_path: beam.PCollection
    window: SkipWindow
    max_users: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Count the listeners, then map every bucket."""
        share = sampling_share(plays | count_listeners(self.window.starts_at, self.window.as_of), self.max_users)
        return plays | MapBuckets(
            sample_skips,
            out=SKIP_EXAMPLES,
            tracks=Opened(self.tracks_path, open_tracks),
            keys=Opened(self.tracks_path, open_content_keys),
            counts=Opened(self.counts, open_frame),
            share=share,
            window=self.window,
        )


def sample_skips(
    plays: pl.DataFrame,
    *,
    tracks: pl.DataFrame,
    keys: ContentKeys,
    counts: pl.DataFrame,
    share: float,
    window: SkipWindow,
) -> pl.DataFrame:
    """PLAYS of whole users, in order -> SKIP_EXAMPLES of sampled users, of plays of known duration."""
    known = plays.filter(pl.col("known_at") < window.as_of)
    users = sample_users(
        known.filter(pl.col("played_at") >= window.starts_at).select("user_id").unique(), share, window.seed
    )
    sampled = known.join(users, on="user_id", how="semi", maintain_order="left")
    facts = track_facts(tracks, counts, keys["vector"])
    duration_ms = tracks["duration_ms"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    found = session_plays(sampled, duration_ms)
    names = sampled["user_id"].unique(maintain_order=True)
    examples = pl.DataFrame(
        {
            "user_key": stable_hash(names, seed=0).view(np.int64)[found.user],
            "number": sum_before(found.user, np.ones(len(found))).astype(np.int64),
            "is_skip": found.is_skip,
            "is_complete": found.is_complete,
            **features_of_plays(found, facts),
        }
    ).with_columns(pl.exclude("user_key", "number").cast(pl.Float32).fill_nan(None))
    is_late = pl.Series(found.seconds >= window.starts_at.timestamp() if len(found) else np.zeros(0, dtype=bool))
    return examples.filter(is_late & examples["is_skip"].is_not_null())


def features_of_plays(plays: SessionPlays, facts: TrackFigures) -> dict[str, np.ndarray]:
    """Return SKIP_FEATURES of every play of a log."""
    before, taste = plays_before(plays, facts)
    is_familiar = before["track_plays"] > before["track_skips"]
    own = own_features(before, facts, plays.track, taste)
    return {**own, **session_features(plays, facts, is_familiar)}
