"""What could stand on a user's page at one moment: the proposals of all sources, merged, with their features."""

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
from transforms.features.features import featurize
from transforms.tables.buckets import Opened, SameBucket, open_frame


@dataclass(frozen=True)
class Snapshot:
    """Inputs of candidates as of one moment: PCollections of artifact paths and of one NEW_TRACK_MATCHES.

    carry_over: a PCollection of CARRY_OVER by bucket, where there are shelves to be kept.
    """

    catalog_path: Any
    embeddings_path: Any
    new_tracks: Any
    as_of: datetime
    carry_over: Any = None

    def arguments(self) -> dict[str, Any]:
        """The arguments of build_context(), for MapBuckets, but for `decay`."""
        return {
            "catalog": Opened(self.catalog_path, open_catalog),
            "embeddings": Opened(self.embeddings_path, open_embeddings),
            "new_tracks": Opened(self.new_tracks, open_frame),
            "as_of": self.as_of,
            "carry_over": None if self.carry_over is None else SameBucket(self.carry_over),
        }


def hydrate_candidates(plays: pl.DataFrame, *, blend: Blend, max_candidates: int, **snapshot: Any) -> pl.DataFrame:
    """PLAYS of whole users, in order -> CANDIDATES; all inputs must be as of `as_of` (see build_context())."""
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
    """Sum up what is known of users and tracks."""
    history = summarize_history(plays, catalog=catalog, as_of=as_of, decay=decay)
    vectors = embeddings.embed_users(latest_sequences(plays, as_of=as_of))
    kept = latest_carry_over(history.users, carry_over)
    return CandidateContext(history, catalog, embeddings, new_tracks, vectors, as_of, kept)
