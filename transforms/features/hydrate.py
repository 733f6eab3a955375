"""What could stand on a user's page at one moment: the proposals of all sources, merged, with their features."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from transforms.candidates.blending import Merge, merge_proposals, pool_proposals
from transforms.candidates.carry_over import on_shelves_of
from transforms.candidates.context import Knowledge
from transforms.candidates.user_history import summarize_history
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.embeddings.embeddings import Embeddings, open_embeddings
from transforms.embeddings.sequences import latest_sequences
from transforms.features.features import featurize
from transforms.tables.buckets import Opened, SameBucket, open_frame


@dataclass(frozen=True)
class Moment:
    """What candidates are made from, as stages have it: PCollections of the artifacts' paths and of one LAUNCHES.

    weekly: a PCollection of WEEKLY by bucket, where there are shelves to be kept.
    """

    catalog_path: Any
    embeddings_path: Any
    launches: Any
    as_of: datetime
    weekly: Any = None

    def arguments(self) -> dict[str, Any]:
        """The arguments of know(), for MapBuckets, but for `decay`."""
        return {
            "catalog": Opened(self.catalog_path, open_catalog),
            "embeddings": Opened(self.embeddings_path, open_embeddings),
            "launches": Opened(self.launches, open_frame),
            "as_of": self.as_of,
            "weekly": None if self.weekly is None else SameBucket(self.weekly),
        }


def hydrate_candidates(plays: pl.DataFrame, *, merge: Merge, max_candidates: int, **moment: Any) -> pl.DataFrame:
    """PLAYS of whole users, in order -> CANDIDATES as of one moment, which all that is given is of (see know())."""
    known = know(plays, **moment, decay=merge.decay)
    return featurize(merge_proposals(pool_proposals(known), merge, max_candidates), known)


def know(
    plays: pl.DataFrame,
    *,
    catalog: Catalog,
    embeddings: Embeddings,
    launches: pl.DataFrame,
    as_of: datetime,
    weekly: pl.DataFrame | None,
    decay: float,
) -> Knowledge:
    """Sum up what is known of users and tracks."""
    history = summarize_history(plays, catalog=catalog, as_of=as_of, decay=decay)
    vectors = embeddings.vectors_of(latest_sequences(plays, as_of=as_of))
    kept = on_shelves_of(history.users, weekly)
    return Knowledge(history, catalog, embeddings, launches, vectors, as_of, kept)
