"""Works of several movements, which stay whole: outside their album no movement is in a queue."""

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog

# "Suite in D: II. Air", "Sonata No. 3: 2. Adagio", "Requiem - IV Dies irae"
_MOVEMENT = r"^(.{3,}?)\s*[:\-–]\s*(?:No\.?\s*)?(?:[IVXLC]+|\d+)[.):\s]"


def movements(catalog: Catalog) -> np.ndarray:
    """Return whether each track is a movement of a work that has several on the same album: bool [N]."""
    work = pl.col("title").str.extract(_MOVEMENT, 1).str.to_lowercase()
    named = catalog.tracks.select("album", work=work)
    is_part = pl.col("work").is_not_null() & pl.col("album").is_not_null() & (pl.len().over("album", "work") > 1)
    return named.select(is_part.alias("is_part")).to_series().to_numpy()
