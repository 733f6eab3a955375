"""The candidates of users as of one moment: the proposals of all sources, blended, with their features."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from transforms.candidates.blending import Blend, blend_candidates, union_candidates
from transforms.candidates.carry_over import latest_carry_over
from transforms.candidates.context import CandidateContext
from transforms.candidates.user_history import summarize_history
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.embeddings.embeddings import Embeddings, open_embeddings
from transforms.embeddings.sequences import latest_sequences
from transforms.features.featurize import featurize
from transforms.tables.buckets import Opened, SameBucket, open_frame


@dataclass(frozen=True)
class Snapshot:
    """Inputs of candidates as of one moment: PCollections of artifact paths and of one NEW_TRACK_MATCHES.

    carry_over: a PCollection of CARRY_OVER by bucket; None: no shelf is carried over.
    """

    catalog_path: Any
    embeddings_path: Any
    new_tracks: Any
    as_of: datetime
    carry_over: Any = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of build_context() for MapBuckets, all but `decay`."""
        return {
            "catalog": Opened(self.catalog_path, open_catalog),
            "embeddings": Opened(self.embeddings_path, open_embeddings),
            "new_tracks": Opened(self.new_tracks, open_frame),
            "as_of": self.as_of,
            "carry_over": None if self.carry_over is None else SameBucket(self.carry_over),
        }


def hydrate_candidates(plays: pl.DataFrame, *, blend: Blend, max_candidates: int, **snapshot: Any) -> pl.DataFrame:
    """Return the CANDIDATES of whole users from their ordered PLAYS; all inputs must be as of `as_of`."""
    context = build_context(plays, **snapshot, decay=blend.decay)
    return featurize(blend_candidates(union_candidates(context), blend, max_candidates), context)


def build_context(
    plays: pl.DataFrame,
    *,
    catalog: Catalog,
    embeddings: Embeddings,
    new_tracks: pl.DataFrame,
    as_of: datetime,
    carry_over: pl.DataFrame | None,
    decay: float,
) -> CandidateContext:
    """Return the context of all sources: histories of users, catalog and embeddings as of one moment."""
    history = summarize_history(plays, catalog=catalog, as_of=as_of, decay=decay)
    user_embeddings = embeddings.embed_users(latest_sequences(plays, as_of=as_of))
    carried_over = latest_carry_over(history.users, carry_over)
    return CandidateContext(history, catalog, embeddings, new_tracks, user_embeddings, as_of, carried_over)
