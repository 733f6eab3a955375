"""Read the shelves that keep their tracks for a period from the pages of earlier runs of the period."""

from dataclasses import dataclass
from datetime import date

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.candidates.carry_over import CARRY_OVER
from transforms.pages.shelves.shelves import SHELVES
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import Column, Schema
from transforms.tables.schemas import PAGES, SHELF_TRACK, USER_ID

_REFRESHED = [shelf.id for shelf in SHELVES if shelf.refresh]
_CARD = pa.struct([SHELF_TRACK.field(name) for name in ("track_id", "position", "source", "seed_track_id")])
# The columns of PAGES that are read, and the fields of these: earlier versions lack some of the others.
CARRY_OVER_PAGES = Schema(
    "carry_over_pages",
    (
        Column("user_id", USER_ID, "user of the page", is_required=True),
        PAGES["surface"],
        Column("shelves", pa.list_(pa.struct([("shelf_id", pa.string()), ("tracks", pa.list_(_CARD))])), "its shelves"),
    ),
)


@dataclass(eq=False)
class WriteCarryOver(beam.PTransform):
    """write_carry_over() on every table of CARRY_OVER_PAGES of one run."""

    day: date
    track_codes: Opened

    def expand(self, pages: beam.PCollection) -> beam.PCollection:
        """Map every table."""
        return pages | MapBuckets(write_carry_over, out=CARRY_OVER, day=self.day, track_codes=self.track_codes)


def write_carry_over(pages: pl.DataFrame, *, day: date, track_codes: pl.DataFrame) -> pl.DataFrame:
    """CARRY_OVER_PAGES of one run -> CARRY_OVER: shelves of one surface, without tracks that left the catalog."""
    shelves = (
        pages.explode("shelves", empty_as_null=False).unnest("shelves").filter(pl.col("shelf_id").is_in(_REFRESHED))
    )
    # the shelf of the surface home, if two surfaces have one
    one = shelves.sort("user_id", "surface", descending=[False, True]).unique("user_id", keep="first")
    cards = one.select("user_id", "tracks").explode("tracks", empty_as_null=False).unnest("tracks")
    codes = track_codes.select("track_id", "track")
    seeds = codes.select(seed_track_id="track_id", seed_track="track")
    coded = cards.join(codes, on="track_id").join(seeds, on="seed_track_id", how="left")
    return coded.select("user_id", "track", "seed_track", "source", "position", day=pl.lit(day))
