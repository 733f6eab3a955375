"""The sentence of reason on each card, from the texts of the source that proposed its track."""

import polars as pl

from transforms.candidates.sources import SOURCES
from transforms.catalog.catalog import Catalog


def render_reasons(cards: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """Return the reason of each card; cards have track, seed_track, source, plays_of_track, days_since_played."""
    name = pl.concat_str("title", pl.concat_str(pl.lit(" by "), "artist_name").fill_null(""))
    seeds = catalog.tracks.select(seed_title="title", seed_artist="artist_name", seed=name)
    artist = catalog.tracks["artist_name"].gather(cards["track"])
    facts = cards.lazy().select(
        "source", "plays_of_track", plays=_times(pl.col("plays_of_track")), ago=_ago(pl.col("days_since_played"))
    )
    named = facts.with_columns(artist.alias("artist"), *seeds.select(pl.all().gather(cards["seed_track"])))
    # source by source, so that each text is rendered only for cards of its source
    reasons = [
        named.with_row_index("card")
        .filter(pl.col("source") == source.name)
        .select("card", reason=pl.coalesce(source.reasons))
        for source in SOURCES
    ]
    return pl.concat(pl.collect_all(reasons)).sort("card")["reason"]


def _times(plays: pl.Expr) -> pl.Expr:
    return pl.when(plays == 1).then(pl.lit("once")).otherwise(pl.format("{} times", plays.cast(pl.Int64)))


def _ago(days: pl.Expr) -> pl.Expr:
    whole = days.floor().cast(pl.Int64)
    spoken = pl.when(whole == 0).then(pl.lit("within a day")).when(whole == 1).then(pl.lit("a day ago"))
    return spoken.otherwise(pl.format("{} days ago", whole))
