"""Fit how the proposals of all sources are merged, to what users listened to after an earlier moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from models.logistic import fit_logistic
from transforms.candidates.blending import MERGED, PRIOR, Merge, pool_proposals
from transforms.events.user_samples import count_listeners, count_listens_between, sample_users, sampling_share
from transforms.features.hydrate import Moment, know
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import Column, Schema, to_frame
from transforms.tables.hashing import stable_hash

# About so many users say how; they propose a thousand tracks each at most, and there are twenty weights to learn.
MAX_USERS = 2_000
RIDGE = 10.0
POOLED = Schema(
    "pooled",
    (
        Column("user_key", pa.int64(), "hash of the user's id, for an order that does not depend on buckets"),
        Column("track", pa.int32(), "code of the track"),
        *(Column(name, pa.float32(), "see merging.py") for name in MERGED),
        Column("label", pa.float32(), "1 if the user listened to the track in the label window"),
    ),
)


@dataclass(eq=False)
class FitBlend(beam.PTransform):
    """fit_merge() on one worker, of what sample_proposals() finds in every bucket of PLAYS; yields the merge's path."""

    moment: Moment
    decay: Opened
    label_days: float
    folder: str
    seed: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Sample the users who listened in the label window."""
        ends_at = self.moment.as_of + timedelta(days=self.label_days)
        n_users = plays | count_listeners(self.moment.as_of, ends_at)
        pooled = plays | MapBuckets(
            sample_proposals,
            out=POOLED,
            share=sampling_share(n_users, MAX_USERS),
            ends_at=ends_at,
            seed=self.seed,
            decay=self.decay,
            **self.moment.arguments(),
        )
        return plays.pipeline | BuildArtifact(fit_blend, folder=self.folder, pooled=[pooled], decay=self.decay)


def sample_proposals(
    plays: pl.DataFrame, *, as_of: datetime, ends_at: datetime, share: float, seed: int, **known: Any
) -> pl.DataFrame:
    """PLAYS of whole users, in order -> POOLED of the sampled users who listened in [as_of, ends_at)."""
    heard = count_listens_between(plays, as_of, ends_at)
    sampled = plays.join(sample_users(heard, share, seed), on="user_id", how="semi", maintain_order="left")
    pooled = pool_proposals(know(sampled, as_of=as_of, **known))
    positives = heard.select("user_id", "track", label=pl.lit(1.0))
    labelled = pooled.join(positives, on=["user_id", "track"], how="left", maintain_order="left")
    key = stable_hash(labelled["user_id"], seed=seed).view(np.int64)
    return labelled.with_columns(pl.col("label").fill_null(0.0), user_key=key).select(POOLED.names)


def fit_blend(directory: Path, *, pooled: Sequence[tuple[int, pa.Table]], decay: float) -> None:
    """Fit and write; no weight moves far from PRIOR where little was listened to."""
    rows = to_frame(pa.concat_tables([POOLED.empty(), *(table for _, table in pooled)])).sort("user_key", "track")
    prior = np.array([*(PRIOR.weights[name] for name in MERGED), PRIOR.intercept])
    weights = fit_logistic(rows.select(MERGED).to_numpy(), rows["label"].to_numpy(), prior, RIDGE)
    Merge(dict(zip(MERGED, weights[:-1].tolist(), strict=True)), float(weights[-1]), decay).save(directory)
