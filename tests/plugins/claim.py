"""The claim of the toy shelf, for the checker: a second file, by design."""

import polars as pl

from pipelines.check.shelves import ShelfClaim

SHELF_CLAIMS = (ShelfClaim("toy_even", "Even tracks", pl.lit(True), is_personal=False),)
