"""What could stand on a user's page at one moment: the proposals of all sources, merged, with their features."""

from datetime import datetime

import polars as pl

from transforms.catalogs import Catalog
from transforms.features import featurize
from transforms.history import History, summarize_history
from transforms.sources import SOURCES, Source, top_of

_NAMES = [source.name for source in SOURCES]
NAMES = pl.Series("source", _NAMES, dtype=pl.Enum(_NAMES))


def candidates_at(plays: pl.DataFrame, *, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    """PLAYS of whole users, in order -> CANDIDATES as of one moment; `catalog` is of the same moment."""
    history = summarize_history(plays, catalog=catalog, as_of=as_of)
    proposed = merge_proposals(history, catalog, as_of)
    return featurize(proposed, history=history, catalog=catalog, as_of=as_of)


def merge_proposals(history: History, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    """One row per user and track: the source that ranks it best, its reason, and every source's score."""
    proposals = [_best_of(number, source, history, catalog, as_of) for number, source in enumerate(SOURCES)]
    ordered = pl.concat(proposals, how="diagonal").sort("rank", "source")
    scores = [pl.col(f"score_{source.name}").max() for source in SOURCES]
    merged = ordered.group_by("user_id", "track", maintain_order=True).agg(
        pl.col("source", "because_track").first(),
        *scores,
        sources=pl.lit(2).pow(pl.col("source")).sum().cast(pl.Int32),
    )
    kept = merged.join(history.disliked, on=["user_id", "track"], how="anti")
    return kept.with_columns(NAMES.gather(kept["source"])).sort("user_id", "track")


def _best_of(number: int, source: Source, history: History, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    """The quota of one source, ranked from 0; nothing where the catalog lacks what it needs."""
    if all(catalog.has(column) for column in source.needs):
        proposed = top_of(source.propose(history, catalog, as_of), "score", source.quota)
    else:
        proposed = source.propose(history, catalog, as_of).clear()
    return proposed.select(
        "user_id",
        "track",
        "because_track",
        pl.lit(number, dtype=pl.UInt32).alias("source"),
        rank=pl.int_range(pl.len()).over("user_id"),
    ).with_columns(proposed["score"].cast(pl.Float64).alias(f"score_{source.name}"))
