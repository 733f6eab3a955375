"""The claims of the toy shelf and of the toy source's reason, for the checker: a second file, by design."""

import polars as pl

from pipelines.check.claim import ShelfClaim

SHELF_CLAIMS = (ShelfClaim("toy_even", "Even tracks", pl.lit(True), is_personal=False),)
REASON_CLAIMS = (pl.col("reason") == "From the beginning of the catalog",)
