"""What could stand on a user's page at one moment: the proposals of all sources, merged, with their features."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from transforms.buckets import Opened, frame_of
from transforms.catalogs import Catalog, open_catalog
from transforms.features import featurize
from transforms.history import summarize_history
from transforms.proposals import Knowledge, top_of
from transforms.sequences import latest_sequences
from transforms.sources import SOURCES, Source
from transforms.vectors import Embeddings, open_embeddings

_NAMES = [source.name for source in SOURCES]
NAMES = pl.Series("source", _NAMES, dtype=pl.Enum(_NAMES))
# Reciprocal rank fusion: Cormack et al., SIGIR 2009, with their constant.
FUSION_RANK = 60
_CERTAIN = sum(2**number for number, source in enumerate(SOURCES) if source.is_certain)


@dataclass(frozen=True)
class Moment:
    """What candidates are made from, as stages have it: PCollections of the artifacts' paths and of one LAUNCHES."""

    catalog_path: Any
    embeddings_path: Any
    launches: Any
    as_of: datetime
    max_candidates: int

    def arguments(self) -> dict[str, Any]:
        """The arguments of candidates_at(), for MapBuckets."""
        return {
            "catalog": Opened(self.catalog_path, open_catalog),
            "embeddings": Opened(self.embeddings_path, open_embeddings),
            "launches": Opened(self.launches, frame_of),
            "as_of": self.as_of,
            "max_candidates": self.max_candidates,
        }


def candidates_at(
    plays: pl.DataFrame,
    *,
    catalog: Catalog,
    embeddings: Embeddings,
    launches: pl.DataFrame,
    as_of: datetime,
    max_candidates: int,
) -> pl.DataFrame:
    """PLAYS of whole users, in order -> CANDIDATES as of one moment, which all that is given is of."""
    known = know(plays, catalog=catalog, embeddings=embeddings, launches=launches, as_of=as_of)
    return featurize(merge_proposals(known, max_candidates), known)


def know(
    plays: pl.DataFrame, *, catalog: Catalog, embeddings: Embeddings, launches: pl.DataFrame, as_of: datetime
) -> Knowledge:
    """Sum up what is known of users and tracks."""
    history = summarize_history(plays, catalog=catalog, as_of=as_of)
    vectors = embeddings.vectors_of(latest_sequences(plays, as_of=as_of))
    return Knowledge(history, catalog, embeddings, launches, vectors, as_of)


def merge_proposals(known: Knowledge, max_candidates: int) -> pl.DataFrame:
    """One row per user and track: the source that ranks it best, its reason, and every source's score.

    `fusion` is the sum of weight / (60 + rank) over the sources; a user keeps the `max_candidates` of highest fusion,
    and what a certain source proposes.
    """
    proposals = [_best_of(number, source, known) for number, source in enumerate(SOURCES)]
    ordered = pl.concat(proposals, how="diagonal").sort("rank", "source")
    scores = [pl.col(f"score_{source.name}").max() for source in SOURCES]
    merged = ordered.group_by("user_id", "track", maintain_order=True).agg(
        pl.col("source", "because_track").first(),
        *scores,
        sources=pl.lit(2).pow(pl.col("source")).sum().cast(pl.Int32),
        fusion=pl.col("vote").sum() / 2.0**40,
    )
    allowed = merged.join(known.history.disliked, on=["user_id", "track"], how="anti")
    is_certain = (pl.col("sources") & _CERTAIN) > 0
    kept = pl.concat([top_of(allowed, "fusion", max_candidates), allowed.filter(is_certain)]).unique(
        ["user_id", "track"], keep="first"
    )
    ordered = kept.sort("user_id", "track")
    return ordered.with_columns(NAMES.gather(ordered["source"]))


def _best_of(number: int, source: Source, known: Knowledge) -> pl.DataFrame:
    """The quota of one source, ranked from 0; nothing where the catalog lacks what it needs."""
    if all(known.catalog.has(column) for column in source.needs):
        proposed = top_of(source.propose(known, source.quota), "score", source.quota)
    else:
        proposed = known.history.users.select(
            "user_id", track=pl.lit(0, pl.Int32), score=0.0, because_track=pl.lit(None, pl.Int32)
        ).clear()
    rank = pl.int_range(pl.len()).over("user_id")
    return proposed.select(
        "user_id",
        "track",
        "because_track",
        pl.lit(number, dtype=pl.UInt32).alias("source"),
        # fixed point, as all sums
        vote=(source.weight / (FUSION_RANK + rank) * 2.0**40).round().cast(pl.Int64),
        rank=rank,
    ).with_columns(proposed["score"].cast(pl.Float64).alias(f"score_{source.name}"))
