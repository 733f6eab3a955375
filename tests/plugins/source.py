"""A source: the first tracks of the catalog, for everyone."""

import polars as pl

from transforms.candidates.context import CandidateContext
from transforms.candidates.source import Source


def propose_first_tracks(context: CandidateContext, quota: int) -> pl.DataFrame:
    """Return user_id, track, score, seed_track."""
    tracks = context.catalog.coded.sort("track").head(quota).select("track", score=-pl.col("track").cast(pl.Float64))
    users = context.history.users.select("user_id")
    no_seed = pl.lit(None, pl.Int32).alias("seed_track")
    return users.join(tracks, how="cross").select("user_id", "track", "score", no_seed)


REASON = pl.lit("From the beginning of the catalog")
SOURCES = (
    Source("toy_first", 7, propose_first_tracks, "the first tracks of the catalog", (REASON,), missing_score=-99.0),
)
