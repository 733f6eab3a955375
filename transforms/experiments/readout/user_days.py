"""USER_DAYS: what each exposed user did on each day since the exposure, and in the days before it."""

from datetime import datetime, timedelta, timezone

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.catalog.catalog import Catalog
from transforms.catalog.deep_catalogue import is_deep
from transforms.events.listening import SKIP_MS, is_listened
from transforms.experiments.readout.day_counts import (
    EXPOSURE,
    KEYS,
    count_adoptions,
    count_shown,
    day_of,
    first_listens,
    since_exposure,
)
from transforms.experiments.readout.readout_metrics import COMPONENTS, SETTLED_WEIGHTS
from transforms.features.label_outcomes import label_outcomes
from transforms.features.reward import label_column
from transforms.features.rewards import REWARD_NAMES, REWARDS
from transforms.tables.columns import Column, Schema, categories
from transforms.tables.schemas import PLAY, TIMESTAMP, USER_ID

# The `day` of the row that has the sums of all days before the exposure that count as covariate.
BEFORE = -1
USER_DAYS = Schema(
    "user_days",
    (
        Column("user_id", USER_ID, "the user"),
        Column("arm", pa.int8(), "index of the arm in --arms; 0 is the control"),
        Column("exposed_at", TIMESTAMP, "first exposure"),
        Column("is_new", pa.bool_(), "whether the user had no event before the exposure"),
        Column("day", pa.int16(), f"whole days since the exposure; {BEFORE}: all days before it that are covariates"),
        *(Column(name, pa.int64(), f"count of the day, see READOUT_METRICS: {name}") for name in COMPONENTS),
    ),
)
TRACKS_SHOWN = Schema(
    "shown",
    (
        Column("user_id", USER_ID, "the viewer"),
        Column("track", pa.int32(), "code of the track"),
        Column("shown_at", TIMESTAMP, "time of the impression"),
    ),
)
_NEVER = datetime(9000, 1, 1, tzinfo=timezone.utc)
_DAY = timedelta(days=1)


def code_shown(impressions: pl.DataFrame, *, track_codes: pl.DataFrame) -> pl.DataFrame:
    """Encode the tracks of impressions, copies as the track that stands for them: IMPRESSION_ROWS -> TRACKS_SHOWN."""
    ids = categories(impressions["track_id"]).rename("track_id").to_frame()
    codes = ids.join(track_codes, on="track_id", how="left", maintain_order="left")["track"].cast(pl.Int32)
    return impressions.select("user_id", codes.gather(impressions["track_id"].to_physical()), "shown_at")


def code_recent(impressions: pl.DataFrame, *, track_codes: pl.DataFrame, since: datetime) -> pl.DataFrame:
    """Encode the tracks of the impressions since a moment: IMPRESSION_ROWS -> TRACKS_SHOWN."""
    return code_shown(impressions.filter(pl.col("shown_at") >= since), track_codes=track_codes)


def measure_user_days(
    enrolled: pl.DataFrame,
    *,
    plays: pl.DataFrame | None,
    shown: pl.DataFrame | None,
    has_shown: bool,
    catalog: Catalog,
    num_days: int,
    covariate_days: int,
) -> pl.DataFrame:
    """ENROLLED and the PLAYS and TRACKS_SHOWN of the same bucket -> USER_DAYS: rows of the exposed users.

    has_shown: whether any bucket has TRACKS_SHOWN. A user has a row for each day with events, and one of the day BEFORE
    in any case.
    """
    users = enrolled.drop_nulls("exposed_at").with_columns(pl.col("user_id").cast(pl.String))
    own = since_exposure(plays, users, "played_at", "known_at")
    own_shown = since_exposure(shown, users, "shown_at")
    days = range(-covariate_days, num_days)
    counts = [
        _count_rewards(own, catalog, days),
        _count_listening(own, catalog),
        *([count_shown(own, own_shown, catalog)] if has_shown else []),
    ]
    summed = pl.concat([_in_range(one, days) for one in counts], how="diagonal").group_by(KEYS).sum()
    everyone = users.select("user_id", day=pl.lit(BEFORE, pl.Int64))
    has_history = own.filter(pl.col("played_at") < EXPOSURE).select("user_id").unique().with_columns(is_new=False)
    rows = everyone.join(summed, on=KEYS, how="full", coalesce=True).join(users, on="user_id")
    known = rows.join(has_history, on="user_id", how="left").with_columns(pl.col("is_new").fill_null(True))
    missing = [pl.lit(0).alias(name) for name in COMPONENTS if name not in known.columns]
    filled = known.with_columns(missing).with_columns(pl.col(COMPONENTS).fill_null(0).cast(pl.Int64))
    return filled.select(USER_DAYS.names).sort(KEYS)


def _in_range(counts: pl.DataFrame, days: range) -> pl.DataFrame:
    """Keep the counts of these days; those before the exposure become one day."""
    kept = counts.filter(pl.col("day").is_between(days.start, days.stop - 1))
    return kept.with_columns(pl.col("day").clip(lower_bound=BEFORE).cast(pl.Int64))


def _count_rewards(plays: pl.DataFrame, catalog: Catalog, days: range) -> pl.DataFrame:
    """Count the tracks that earn each reward by user and day, and the sum of rewards by weight.

    Days before the exposure are labelled by what happened before it; rewards that take longer are none there.
    """
    before = plays.filter(pl.col("played_at") < EXPOSURE)
    counted = [_rewards_of_day(before if day < 0 else plays, catalog, day) for day in days]
    delayed = [one.name for one in REWARDS if one.delay_days]
    total = pl.sum_horizontal(pl.col(name) * weight for name, weight in SETTLED_WEIGHTS.items())
    kept = [pl.when(pl.col("day") >= 0).then(pl.col(name)).otherwise(0).alias(name) for name in delayed]
    return pl.concat(counted).with_columns(kept).with_columns(reward=total)


def _rewards_of_day(plays: pl.DataFrame, catalog: Catalog, day: int) -> pl.DataFrame:
    starts_at = EXPOSURE + day * _DAY
    ends_at = starts_at + _DAY
    within = pl.col("played_at").is_between(starts_at, ends_at, closed="left")
    pairs = plays.filter(within).select("user_id", "track").unique(maintain_order=True)
    labelled = label_outcomes(pairs, plays, catalog=catalog, as_of=starts_at, ends_at=ends_at, known_until=_NEVER)
    counts = [pl.col(label_column(name)).fill_null(0).sum().cast(pl.Int64).alias(name) for name in REWARD_NAMES]
    return labelled.group_by("user_id").agg(counts).with_columns(day=pl.lit(day, pl.Int64))


def _count_listening(plays: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Count plays, listens, skips, minutes and discoveries by user and day."""
    tracks = pl.DataFrame(
        {
            "track": np.arange(len(catalog.tracks), dtype=np.int32),
            "artist": catalog.tracks["artist"],
            "is_deep": is_deep(catalog.tracks["n_plays"].to_numpy()),
        }
    )
    played = plays.filter(pl.col("action") == PLAY).join(tracks, on="track", maintain_order="left")
    timed = (
        played.with_columns(day=day_of("played_at"))
        .group_by(KEYS)
        .agg(
            n_timed=pl.col("ms_played").count(),
            n_skips=(pl.col("ms_played") < SKIP_MS).sum(),
            n_minutes=(pl.col("ms_played").cast(pl.Int64).sum() / 60_000).round(),
            n_listens=is_listened().sum(),
            is_listening=is_listened().any().cast(pl.Int64),
            n_deep=(is_listened() & pl.col("is_deep")).sum(),
        )
    )
    listens = played.filter(is_listened()).with_columns(day=day_of("played_at"))
    new_tracks = (
        first_listens(listens, "track").group_by(KEYS).agg(n_new_tracks=pl.len(), n_new_deep=pl.col("is_deep").sum())
    )
    of_artists = listens.drop_nulls("artist").group_by(*KEYS, "artist").len()
    top = of_artists.group_by(KEYS).agg(n_top_artist=pl.col("len").max(), n_of_artists=pl.col("len").sum())
    counts = [timed, new_tracks, top, count_adoptions(listens.drop_nulls("artist"))]
    return pl.concat([one.with_columns(pl.exclude(KEYS).cast(pl.Int64)) for one in counts], how="diagonal")
