"""Check the cap by artist of the first screen: the first five tracks of the first three shelves."""

import polars as pl

from pipelines.check.finding import Finding, find_wrong

_PAGE = ["user_id", "surface"]
_NAME = "first_screen_artist_tracks"


def check_first_screen(pages: pl.DataFrame, cards: pl.DataFrame, cap: int) -> Finding:
    """Check that a page says that it could not hold the cap where it did not, and nowhere else; a cap of 0 is none."""
    seen = cards.filter((pl.col("shelf_position") < 3) & (pl.col("position") < 5)).drop_nulls("artist_id")
    crowded = seen.group_by(*_PAGE, "artist_id").len().filter(pl.col("len") > (cap or len(cards)))
    marked = crowded.unique(_PAGE).select(*_PAGE, is_crowded=pl.lit(True))
    both = pages.select(*_PAGE, "relaxed").join(marked, on=_PAGE, how="left", maintain_order="left")
    is_wrong = pl.col("is_crowded").fill_null(False) != pl.col("relaxed").list.contains(_NAME)
    return find_wrong("the first screen holds its cap by artist, or says that it could not", both, is_wrong, "surface")
