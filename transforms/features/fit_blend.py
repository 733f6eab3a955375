"""Fit the blend of all sources to the listens of users after an earlier moment."""

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
from transforms.candidates.blending import BLEND_INPUTS, PRIOR_BLEND, Blend, union_candidates
from transforms.events.user_samples import count_listeners, count_listens_between, sample_users, sampling_share
from transforms.features.hydrate import Snapshot, build_context
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import Column, Schema, to_frame
from transforms.tables.hashing import stable_hash

# About this many users are enough: at most a thousand candidates each, for twenty weights.
_MAX_USERS = 2_000
_RIDGE = 10.0
BLEND_EXAMPLES = Schema(
    "blend_examples",
    (
        Column("user_key", pa.int64(), "hash of the user's id, for an order that does not depend on buckets"),
        Column("track", pa.int32(), "code of the track"),
        *(Column(name, pa.float32(), "see blending.py") for name in BLEND_INPUTS),
        Column("label", pa.float32(), "1 if the user listened to the track in the label window"),
    ),
)


@dataclass(eq=False)
class FitBlend(beam.PTransform):
    """fit_blend() on one worker, from the rows that sample_union() takes of every bucket; yields the blend's path."""

    snapshot: Snapshot
    decay: Opened
    label_days: float
    folder: str
    seed: int

    def expand(self, plays: beam.PCollection) -> beam.PCollection:
        """Sample the users who listened in the label window."""
        ends_at = self.snapshot.as_of + timedelta(days=self.label_days)
        n_users = plays | count_listeners(self.snapshot.as_of, ends_at)
        union = plays | MapBuckets(
            sample_union,
            out=BLEND_EXAMPLES,
            share=sampling_share(n_users, _MAX_USERS),
            ends_at=ends_at,
            seed=self.seed,
            decay=self.decay,
            **self.snapshot.arguments(),
        )
        return plays.pipeline | BuildArtifact(fit_blend, folder=self.folder, union=[union], decay=self.decay)


def sample_union(
    plays: pl.DataFrame, *, as_of: datetime, ends_at: datetime, share: float, seed: int, **context: Any
) -> pl.DataFrame:
    """Return BLEND_EXAMPLES of sampled users who listened in [as_of, ends_at), from their ordered PLAYS."""
    listens = count_listens_between(plays, as_of, ends_at)
    sampled = plays.join(sample_users(listens, share, seed), on="user_id", how="semi", maintain_order="left")
    union = union_candidates(build_context(sampled, as_of=as_of, **context))
    positives = listens.select("user_id", "track", label=pl.lit(1.0))
    labelled = union.join(positives, on=["user_id", "track"], how="left", maintain_order="left")
    key = stable_hash(labelled["user_id"], seed=seed).view(np.int64)
    return labelled.with_columns(pl.col("label").fill_null(0.0), user_key=key).select(BLEND_EXAMPLES.names)


def fit_blend(directory: Path, *, union: Sequence[tuple[int, pa.Table]], decay: float) -> None:
    """Fit the weights and write the blend; with few listens they stay near PRIOR_BLEND."""
    rows = to_frame(pa.concat_tables([BLEND_EXAMPLES.empty(), *(table for _, table in union)])).sort(
        "user_key", "track"
    )
    prior = np.array([*(PRIOR_BLEND.weights[name] for name in BLEND_INPUTS), PRIOR_BLEND.intercept])
    weights = fit_logistic(rows.select(BLEND_INPUTS).to_numpy(), rows["label"].to_numpy(), prior, _RIDGE)
    Blend(dict(zip(BLEND_INPUTS, weights[:-1].tolist(), strict=True)), float(weights[-1]), decay).save(directory)
