"""Rank the likeliest next tracks of every track that was played, from counts, neighbours and content."""

from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import polars as pl

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.catalog.track_content import ContentKeys, open_content_keys
from transforms.now_playing.exclusions import unplayable
from transforms.now_playing.successor_backoff import backoff_shares
from transforms.now_playing.successor_tables import (
    FOLLOWED,
    LISTEN_UNIT,
    MOST_SUCCESSORS,
    SUCCESSOR_ROWS,
    SUCCESSOR_SOURCES,
)
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.groups import top_k_of_groups

# Listens that the back-off weighs as much as: a track that was followed as often is told by its counts to one half.
_PRIOR_LISTENS = 5.0
_FOLLOWED = SUCCESSOR_SOURCES.index(FOLLOWED)


@dataclass(eq=False)
class RankSuccessors(beam.PTransform):
    """rank_successors() on every bucket of TRANSITIONS."""

    catalog_path: beam.PCollection
    tracks_path: beam.PCollection
    as_of: datetime

    def expand(self, counts: beam.PCollection) -> beam.PCollection:
        """Map every bucket."""
        return counts | MapBuckets(
            rank_successors,
            out=SUCCESSOR_ROWS,
            catalog=Opened(self.catalog_path, open_catalog),
            keys=Opened(self.tracks_path, open_content_keys),
            as_of=self.as_of,
        )


def rank_successors(counts: pl.DataFrame, *, catalog: Catalog, keys: ContentKeys, as_of: datetime) -> pl.DataFrame:
    """TRANSITIONS of whole tracks -> SUCCESSOR_ROWS, by track, the likeliest first.

    The chance of b after a is (c_ab + k q_ab) / (c_a + k): c the counts in listens, k a prior of 5 listens, and q the
    back-off to neighbours and content (Dirichlet smoothing: MacKay and Peto, 1995).
    """
    is_pair, listens = pl.col("track") != pl.col("other"), pl.col("count") / LISTEN_UNIT
    summed = counts.group_by("track", "other").agg(pl.col("count").sum())
    totals = summed.group_by("track").agg(total=listens.filter(is_pair).sum() + _PRIOR_LISTENS).sort("track")
    is_out = unplayable(catalog, "", as_of) | catalog.is_copy
    prior = backoff_shares(totals["track"], catalog, keys["vector"], is_out)
    followed = summed.filter(is_pair & ~pl.Series(is_out).gather(summed["other"])).select(
        "track", "other", share=listens, source=pl.lit(_FOLLOWED, pl.Int8)
    )
    parts = pl.concat([followed, prior.with_columns(pl.col("share") * _PRIOR_LISTENS)]).sort("track", "other", "source")
    names = pl.Series(SUCCESSOR_SOURCES, dtype=pl.Enum(SUCCESSOR_SOURCES))
    chances = parts.group_by("track", "other", maintain_order=True).agg(
        share=pl.col("share").sum(), source=pl.col("source").get(pl.col("share").arg_max())
    )
    rows = chances.join(totals, on="track").select(
        "track", "other", "source", chance=(pl.col("share") / pl.col("total")).cast(pl.Float32)
    )
    best = top_k_of_groups(rows, "track", "chance", MOST_SUCCESSORS, tie="other")
    return best.with_columns(names.gather(best["source"]).alias("source"))
