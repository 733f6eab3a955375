"""Compute the features of candidates; training and scoring share this one definition."""

from datetime import datetime

import polars as pl

from transforms.candidates.context import CandidateContext
from transforms.catalog.catalog import Catalog
from transforms.events.ages import days_since, whole_days_since
from transforms.features.feature_tables import CANDIDATES
from transforms.features.features import FEATURES
from transforms.tables.schemas import CANDIDATE_KEYS


def featurize(proposed: pl.DataFrame, context: CandidateContext) -> pl.DataFrame:
    """Return CANDIDATES from the rows of blend_candidates(); a value that is null or not finite becomes `missing`."""
    history = context.history
    joined = (
        _with_catalog(proposed, context.catalog, context.as_of)
        .join(history.users, on="user_id", how="left", maintain_order="left")
        .join(history.tracks.drop("artist", "genre"), on=["user_id", "track"], how="left", maintain_order="left")
        .join(history.artists.drop("top_track"), on=["user_id", "artist"], how="left", maintain_order="left")
        .join(history.genres, on=["user_id", "genre"], how="left", maintain_order="left")
        .with_columns(daypart=pl.coalesce("daypart_of_artist", "daypart_of_genre"))
    )
    values = (
        pl.when(value.is_finite()).then(value).otherwise(feature.missing).cast(pl.Float32).alias(feature.name)
        for feature, value in ((one, one.expression.cast(pl.Float32)) for one in FEATURES)
    )
    keys = (name for name in CANDIDATE_KEYS.names if name != "recent")
    length = CANDIDATE_KEYS["recent"].type.list_size
    padding = pl.lit([-1] * length, dtype=pl.List(pl.Int32))
    recent = pl.col("recent").fill_null([]).list.concat(padding).list.head(length).list.to_array(length)
    return joined.select(*keys, recent, *values).select(CANDIDATES.names)


def _with_catalog(proposed: pl.DataFrame, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    columns = ("artist", "genre", "release_date", "first_played_at")
    counts = ("n_plays", "n_users", "n_plays_7d", "popularity", "skip_rate", "completion")
    rows = catalog.tracks.select(*columns, *counts)[proposed["track"]]
    return proposed.hstack(rows).with_columns(
        days_since_release=whole_days_since("release_date", as_of.date()).clip(lower_bound=0),
        track_days_since_first_play=days_since("first_played_at", as_of),
    )
