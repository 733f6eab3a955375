"""Publish the successors of each track: for each market those that may be played there and that no rule excludes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import apache_beam as beam
import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.now_playing.exclusions import excluded_by, rules_of_surface, told_apart, unplayable
from transforms.now_playing.successor_tables import PUBLISHED_SUCCESSORS, SUCCESSORS
from transforms.pages.rules.rule import Rule
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.groups import first_of_groups


@dataclass(eq=False)
class PublishSuccessors(beam.PTransform):
    """publish_successors() on every bucket of SUCCESSOR_ROWS."""

    catalog_path: beam.PCollection
    rules: Sequence[Rule]
    as_of: datetime

    def expand(self, successors: beam.PCollection) -> beam.PCollection:
        """Map every bucket."""
        catalog = Opened(self.catalog_path, open_catalog)
        return successors | MapBuckets(
            publish_successors, out=SUCCESSORS, catalog=catalog, rules=self.rules, as_of=self.as_of
        )


def publish_successors(
    successors: pl.DataFrame, *, catalog: Catalog, rules: Sequence[Rule], as_of: datetime
) -> pl.DataFrame:
    """SUCCESSOR_ROWS -> SUCCESSORS: a row for each track and market, the likeliest successors first.

    No rule about markets excludes a track where the market is unknown; rules for users of few plays exclude it for all.
    """
    meant = rules_of_surface(rules, as_of)
    ids = catalog.tracks["track_id"]
    parts = [SUCCESSORS.frame()]
    for market in ["", *told_apart(catalog, meant)]:
        of_market = [rule for rule in meant if not rule.when.markets or market in rule.when.markets]
        is_out = np.logical_or.reduce(
            [unplayable(catalog, market, as_of), *(excluded_by(one, catalog) for one in of_market)]
        )
        allowed = successors.filter(~pl.Series(is_out).gather(successors["other"]))
        kept = first_of_groups(allowed, "track", PUBLISHED_SUCCESSORS)
        cards = kept.select(
            "track",
            successors=pl.struct(
                track_id=ids.gather(kept["other"]),
                position=pl.int_range(pl.len(), dtype=pl.Int32).over("track"),
                chance="chance",
                source=pl.col("source").cast(pl.String),
            ),
        )
        lists = cards.group_by("track", maintain_order=True).agg("successors")
        rows = successors.select(pl.col("track").unique(maintain_order=True)).join(
            lists, on="track", how="left", maintain_order="left"
        )
        parts.append(
            rows.select(
                ids.gather(rows["track"]).alias("track_id"),
                market=pl.lit(market),
                successors=pl.col("successors").fill_null([]),
            )
        )
    return pl.concat(parts)
