"""Check shelves that keep their tracks for a period, such as a week, against earlier runs of the period."""

import io
import re

import polars as pl

from pipelines.check.facts import Truth
from pipelines.check.finding import Finding
from pipelines.check.shelves import SHELF_CLAIMS
from pipelines.inputs.published import PublishedRun, card_rows
from pipelines.options.options import UsageError
from transforms.tables.files import read_bytes

_IS_CARRIED_OVER = pl.col("shelf_id").is_in([claim.shelf_id for claim in SHELF_CLAIMS if claim.is_carried_over])
_DAY = re.compile(r"/ds=(\d{4}-\d{2}-\d{2})/")


def read_earlier_shelves(run: PublishedRun) -> pl.DataFrame:
    """Return the tracks that last stood on such a shelf of each user: user_id, track_id, was (the position).

    Raises:
        UsageError: pages that the run read are gone.
    """
    shelves = [pl.DataFrame(schema={"user_id": pl.String, "track_id": pl.String, "was": pl.Int32, "day": pl.String})]
    for path in run.manifest.carry_over:
        try:
            pages = pl.read_parquet(io.BytesIO(read_bytes(path)))
        except FileNotFoundError as error:
            raise UsageError(
                f"{path}: pages of an earlier run, from which shelves were carried over, are gone"
            ) from error
        cards = card_rows(pages).filter(_IS_CARRIED_OVER).sort("surface", descending=True)
        first = cards.filter(pl.col("surface") == pl.col("surface").first().over("user_id"))
        ids = pl.col("user_id", "track_id").cast(pl.String)
        shelves.append(first.select(ids, was="position", day=pl.lit(_DAY.findall(path)[-1])))
    earlier = pl.concat(shelves, how="vertical_relaxed")
    return earlier.filter(pl.col("day") == pl.col("day").max().over("user_id")).drop("day")


def find_misplaced(cards: pl.DataFrame, earlier: pl.DataFrame) -> Finding:
    """Check that tracks that were carried over stand above all others of the shelf, in their earlier order."""
    shelf = cards.filter(_IS_CARRIED_OVER).with_columns(pl.col("user_id", "track_id").cast(pl.String))
    known = shelf.join(earlier, on=["user_id", "track_id"], how="left").sort("user_id", "surface", "position")
    page = ["user_id", "surface"]
    # new tracks come last, as if they had stood behind all others
    earlier_position = pl.col("was").fill_null(2**30)
    wrong = known.filter(earlier_position < earlier_position.cum_max().over(page))
    claim = "tracks carried over stand first, in their order"
    return Finding(claim, len(known), wrong.select("user_id", what="track_id"))


def find_missing(cards: pl.DataFrame, earlier: pl.DataFrame, run: PublishedRun, truth: Truth) -> Finding:
    """Check that tracks that stood on the shelf, and could be shown, stand there if the user still has one."""
    shelf = cards.filter(_IS_CARRIED_OVER).select(pl.col("user_id", "track_id").cast(pl.String), "surface")
    expected = earlier.join(shelf.select("user_id", "surface").unique(), on="user_id")
    candidates = run.table("candidates").select(pl.col("user_id", "track_id").cast(pl.String)).collect()
    there = expected.join(candidates, on=["user_id", "track_id"], how="semi")
    named = there.join(run.catalog.tracks.select("track_id", "markets"), on="track_id")
    named = named.join(truth.users.select(pl.col("user_id").cast(pl.String), "market"), on="user_id", how="left")
    free = named.filter(pl.col("markets").list.contains(pl.col("market")).fill_null(True))
    gone = free.join(shelf, on=["user_id", "surface", "track_id"], how="anti")
    claim = "tracks carried over are still there"
    return Finding(claim, len(free), gone.select("user_id", what="track_id"))
