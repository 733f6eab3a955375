"""List the cards of all pages: a row each, with the title and the artist of its track."""

from dataclasses import dataclass

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.catalog.catalog import Catalog, open_catalog
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import NAME, USER_ID

CARDS = Schema(
    "cards",
    (
        Column("user_id", USER_ID, "the user of the page"),
        Column("surface", NAME, "surface of the app: home or discover"),
        Column("shelf_position", pa.int32(), "position of the shelf on the page, from 0"),
        Column("shelf_id", NAME, "the shelf"),
        Column("shelf_title", NAME, "its title"),
        Column("shelf_reason", NAME, "the sentence below it"),
        Column("shelf_format", NAME, "tracks (a row of cards), grid (small cards) or large (one large card first)"),
        Column("shelf_score", pa.float32(), "its value"),
        Column("shelf_propensity", pa.float64(), "probability of the choice of the shelf, given those above"),
        Column("card_position", pa.int32(), "position of the card on the shelf, from 0"),
        Column("track_id", pa.string(), "the track"),
        Column("title", pa.string(), "title of the track; the track_id where it is unknown"),
        Column(
            "artist_name", pa.string(), "name of its main artist; the artist_id where it is unknown; null: no artist"
        ),
        Column("card_score", pa.float32(), "expected reward of the track"),
        Column("card_propensity", pa.float64(), "probability of the choice of the track, given those before it"),
        Column("source", NAME, "the source that ranked the track best"),
        Column("seed_track_id", pa.string(), "the user's track that led to the card; null: none"),
        Column("card_reason", pa.string(), "the sentence on the card"),
    ),
)
# The columns that sort the table; together they are unique.
PLACE = ("user_id", "surface", "shelf_position", "card_position")


@dataclass(eq=False)
class ListCards(beam.PTransform):
    """list_cards() on every table of PAGES."""

    catalog_path: beam.PCollection

    def expand(self, pages: beam.PCollection) -> beam.PCollection:
        """Map every table."""
        return pages | MapBuckets(list_cards, out=CARDS, catalog=Opened(self.catalog_path, open_catalog))


def list_cards(pages: pl.DataFrame, *, catalog: Catalog) -> pl.DataFrame:
    """PAGES -> CARDS, in the order of pages, shelves and cards."""
    shelf, card = pl.col("shelves").struct, pl.col("tracks").struct
    shelves = pages.select("user_id", "surface", "shelves").explode("shelves", empty_as_null=False)
    cards = shelves.select(
        "user_id",
        "surface",
        *(
            shelf.field(name).alias(f"shelf_{name}")
            for name in ("position", "title", "reason", "format", "score", "propensity")
        ),
        *(shelf.field(name) for name in ("shelf_id", "tracks")),
    ).explode("tracks", empty_as_null=False)
    told = cards.select(
        pl.exclude("tracks"),
        *(card.field(name).alias(f"card_{name}") for name in ("position", "score", "propensity", "reason")),
        *(card.field(name) for name in ("track_id", "source", "seed_track_id")),
    )
    names = catalog.tracks.select("track_id", "title", "artist_name")
    return told.join(names, on="track_id", how="left", maintain_order="left").select(CARDS.names)
