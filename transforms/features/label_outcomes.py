"""Labels of examples: the outcomes of candidates in the days after their moment."""

from datetime import datetime, timedelta

import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.events.ages import days_since
from transforms.events.listening import is_listened
from transforms.features.reward import label_column
from transforms.features.rewards import LABELS, REWARDS, SESSION_PAUSE_MINUTES, disabled_rewards
from transforms.tables.schemas import PLAY


def label_outcomes(
    candidates: pl.DataFrame,
    plays: pl.DataFrame,
    *,
    catalog: Catalog,
    as_of: datetime,
    ends_at: datetime,
    known_until: datetime,
) -> pl.DataFrame:
    """Return candidates as of a moment with LABELS, float32, from the ordered PLAYS of their users.

           history | label window: as_of <= played_at < ends_at | delay of a reward |        known_until
        --------------------------------------------------------------------------------------->

    A label is null where it is not settled: the delay of its reward is not over, or the log does not tell the outcome.
    """
    events = events_since(plays, catalog, as_of, ends_at)
    labels = [one.label.fill_null(False).cast(pl.Float32).alias(label_column(one.name)) for one in REWARDS]
    outcomes = events.group_by("user_id", "track", maintain_order=True).agg(labels)
    joined = candidates.join(outcomes, on=["user_id", "track"], how="left", maintain_order="left")
    disabled = disabled_rewards(catalog)
    unsettled = [
        label_column(one.name)
        for one in REWARDS
        if one.name in disabled or ends_at + timedelta(days=one.delay_days) > known_until
    ]
    settled = joined.with_columns(pl.col(LABELS).fill_null(0.0))
    return settled.with_columns(pl.lit(None, pl.Float32).alias(name) for name in unsettled)


def events_since(plays: pl.DataFrame, catalog: Catalog, as_of: datetime, ends_at: datetime) -> pl.DataFrame:
    """Return the events since a moment that labels depend on, oldest first.

    user_id, track, action, is_in_window, days (since the moment), is_listened, share (of the track that was played),
    is_unplayed (the user had never played the track), is_continued (the user's next play starts within a session).
    """
    is_play = pl.col("action") == PLAY
    before = plays.filter(is_play & (pl.col("known_at") < as_of)).select("user_id", "track").unique()
    played = plays.filter(is_play).with_columns(
        minutes=(pl.col("played_at").shift(-1).over("user_id") - pl.col("played_at")).dt.total_milliseconds() / 60e3
    )
    others = plays.filter(~is_play).with_columns(minutes=pl.lit(None, pl.Float64))
    later = pl.concat([played, others]).filter(pl.col("played_at") >= as_of)
    last = ends_at + timedelta(days=max(one.delay_days for one in REWARDS))
    kept = later.filter(pl.col("played_at") < last).sort("user_id", "played_at", "track", "action", maintain_order=True)
    ms = pl.col("ms_played").fill_null(0)
    return (
        kept.with_columns(catalog.tracks.select("duration_ms")[kept["track"]])
        .join(
            before.with_columns(is_unplayed=pl.lit(False)), on=["user_id", "track"], how="left", maintain_order="left"
        )
        .select(
            "user_id",
            "track",
            "action",
            is_in_window=pl.col("played_at") < ends_at,
            days=-days_since("played_at", as_of),
            is_listened=is_listened(),
            share=pl.col("ms_played") / pl.col("duration_ms"),
            is_unplayed=pl.col("is_unplayed").fill_null(True),
            is_continued=(pl.col("minutes") <= ms / 60e3 + SESSION_PAUSE_MINUTES).fill_null(False),
        )
    )
