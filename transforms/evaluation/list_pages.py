"""Turn pages into ranked lists: shelf by shelf, track by track, each track with its place."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl

from transforms.evaluation.schemas import EVALUATION_ROWS, PAGE
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import fill_columns
from transforms.tables.groups import rank_in_group
from transforms.tables.surfaces import HOME


@dataclass(eq=False)
class ListPages(beam.PTransform):
    """list_pages() on every bucket."""

    track_codes: Opened

    def expand(self, pages: beam.PCollection) -> beam.PCollection:
        """One map."""
        return pages | MapBuckets(list_pages, out=EVALUATION_ROWS, track_codes=self.track_codes)


def list_pages(pages: pl.DataFrame, *, track_codes: pl.DataFrame) -> pl.DataFrame:
    """PAGES -> EVIDENCE: one row per card of the Home, ranked as it is read."""
    home = pages.filter(pl.col("surface") == HOME)
    shelves = home.select("user_id", "shelves").explode("shelves", empty_as_null=False)
    shelf = pl.col("shelves").struct
    cards = shelves.select(
        "user_id", shelf.field("shelf_id"), row=shelf.field("position").cast(pl.Int16), tracks=shelf.field("tracks")
    ).explode("tracks", empty_as_null=False)
    card = pl.col("tracks").struct
    placed = cards.select(
        "user_id", "shelf_id", "row", card.field("track_id"), column=card.field("position").cast(pl.Int16)
    ).sort("user_id", "row", "column")
    coded = placed.join(track_codes, on="track_id", maintain_order="left").drop("track_id")
    place = rank_in_group("user_id")
    lists = coded.with_columns(
        _as_enum(coded["user_id"]), _as_enum(coded["shelf_id"]), rank=place, system=pl.lit(PAGE, dtype=pl.Enum([PAGE]))
    )
    return fill_columns(lists, EVALUATION_ROWS)


def _as_enum(names: pl.Series) -> pl.Series:
    return names.cast(pl.Enum(names.unique().sort()))
