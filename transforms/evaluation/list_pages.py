"""Turn pages into ranked lists: shelf by shelf, and track by track on each shelf."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.evaluation.metrics.system import PAGE
from transforms.evaluation.schemas import EVALUATION_ROWS
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import fill_columns
from transforms.tables.groups import rank_in_group
from transforms.tables.surfaces import HOME


@dataclass(eq=False)
class ListPages(beam.PTransform):
    """Apply list_pages() to every bucket."""

    track_codes: Opened

    def expand(self, pages: beam.PCollection) -> beam.PCollection:
        """Apply one map."""
        return pages | MapBuckets(list_pages, out=EVALUATION_ROWS, track_codes=self.track_codes)


def list_pages(pages: pl.DataFrame, *, track_codes: pl.DataFrame) -> pl.DataFrame:
    """PAGES -> EVALUATION_ROWS: one row for each card of the Home, ranked in reading order."""
    home = pages.filter(pl.col("surface") == HOME)
    shelves = home.select("user_id", "shelves").explode("shelves", empty_as_null=False)
    shelf = pl.col("shelves").struct
    shelf_position = shelf.field("position").cast(pl.Int16).alias("shelf_position")
    cards = shelves.select("user_id", shelf.field("shelf_id"), shelf_position, shelf.field("tracks").alias("tracks"))
    cards = cards.explode("tracks", empty_as_null=False)
    card = pl.col("tracks").struct
    track_position = card.field("position").cast(pl.Int16).alias("track_position")
    placed = cards.select("user_id", "shelf_id", "shelf_position", card.field("track_id"), track_position)
    ordered = placed.sort("user_id", "shelf_position", "track_position")
    coded = ordered.join(track_codes, on="track_id", maintain_order="left").drop("track_id")
    lists = coded.with_columns(
        _as_enum(coded["user_id"]),
        _as_enum(coded["shelf_id"]),
        rank=rank_in_group("user_id"),
        system=pl.lit(PAGE, dtype=pl.Enum([PAGE])),
    )
    return fill_columns(lists, EVALUATION_ROWS)


def _as_enum(names: pl.Series) -> pl.Series:
    return names.cast(pl.Enum(names.unique().sort()))
