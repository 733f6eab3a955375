"""REWARDS: what a track on a page is worth, by what the user does with it afterwards. Adding one is one entry."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.events.ages import days_since
from transforms.events.listening import is_listened
from transforms.tables.schemas import LIKE, PLAY, PLAYLIST_ADD, SAVE

# What labels mean has changed when this has: models of another version are not used.
REWARDS_VERSION = 1
_COMPLETED_SHARE = 0.9
_SESSION_MINUTES = 30.0
_RETENTION_DAYS, _MIN_FURTHER_DAYS = 28.0, 2


@dataclass(frozen=True)
class Reward:
    """What a user may do with a candidate.

    label: over the events of one user with one track since the moment of the candidate, oldest first (see _since());
        one truth for all of them. Where there is no event it is false.
    weight: what one is worth; the score is the sum of the chances, each times its weight.
    delay_days: how long after the label window it is not settled yet.
    needs: facts without any of which nothing is known of it (see Catalog.has()).
    """

    name: str
    label: pl.Expr
    weight: float
    sentence: str
    delay_days: float = 0.0
    needs: tuple[str, ...] = ()


_IN_WINDOW, _IS_PLAY, _IS_LISTENED = pl.col("is_in_window"), pl.col("action") == PLAY, pl.col("is_listened")
_LISTENED = _IS_LISTENED & _IN_WINDOW
_DAYS = pl.col("days")
_LATER_DAYS = _DAYS.floor().filter(_IS_LISTENED & (_DAYS <= _DAYS.filter(_LISTENED).min() + _RETENTION_DAYS)).n_unique()

REWARDS = (
    Reward("listened", _LISTENED.any(), 1.0, "listened to for 30 s or more in the label window"),
    Reward(
        "completed",
        (_IS_PLAY & _IN_WINDOW & (pl.col("share") >= _COMPLETED_SHARE)).any(),
        0.2,
        f"heard for {_COMPLETED_SHARE:.0%} of its length or more in the label window",
        needs=("completion",),
    ),
    Reward(
        "skipped",
        _IS_LISTENED.filter(_IS_PLAY & _IN_WINDOW).first().not_(),
        -0.3,
        "its first play in the label window lasted under 30 s",
        needs=("skip_rate",),
    ),
    Reward(
        "saved",
        (pl.col("action").is_in([SAVE, LIKE, PLAYLIST_ADD]) & _IN_WINDOW).any(),
        0.5,
        "saved, liked or added to a playlist in the label window",
    ),
    Reward("repeated", _LISTENED.sum() >= 2, 0.3, "listened to twice or more in the label window"),
    Reward(
        "retained_28d",
        pl.col("is_unheard").any() & _LISTENED.any() & (_LATER_DAYS > _MIN_FURTHER_DAYS),
        1.0,
        f"unheard before, listened to in the label window and on {_MIN_FURTHER_DAYS} further days of the"
        f" {_RETENTION_DAYS:g} that followed",
        delay_days=_RETENTION_DAYS,
    ),
    Reward(
        "session_continued",
        (_LISTENED & pl.col("is_continued")).any(),
        0.1,
        f"listened to in the label window, and within {_SESSION_MINUTES:g} minutes came another play",
    ),
)
REWARD_NAMES = tuple(reward.name for reward in REWARDS)
REWARD_WEIGHTS = {reward.name: reward.weight for reward in REWARDS}
LABELS = tuple(f"label_{reward.name}" for reward in REWARDS)
PROBABILITIES = tuple(f"p_{reward.name}" for reward in REWARDS)
# What every ranker gives, and what its quality is measured by.
LISTENED = REWARDS[0].name
MAX_REWARD = sum(reward.weight for reward in REWARDS if reward.weight > 0)


def describe_rewards() -> dict[str, Any]:
    """What REWARDS say, and a hash of it: a consumer sees when a score means something else."""
    entries = [
        {"name": one.name, "weight": one.weight, "delay_days": one.delay_days, "sentence": one.sentence}
        for one in REWARDS
    ]
    described = json.dumps([REWARDS_VERSION, entries]).encode()
    return {"version": REWARDS_VERSION, "hash": hashlib.sha256(described).hexdigest()[:12], "rewards": entries}


def check_rewards(found: Mapping[str, Any], heads: Sequence[str]) -> None:
    """Hold that the heads of a ranker mean what rewards of the same names mean today; their weights may differ.

    Raises:
        ValueError: one does not; the message names it.
    """
    now, then = ({one["name"]: _meaning(one) for one in said["rewards"]} for said in (describe_rewards(), found))
    if found["version"] != REWARDS_VERSION:
        raise ValueError(f"its rewards are of version {found['version']}, today's are of version {REWARDS_VERSION}")
    for name in heads:
        if name not in now:
            raise ValueError(f"it was trained for the reward {name!r}, which there is no more")
        if now[name] != then[name]:
            raise ValueError(f"the reward {name!r} meant {then[name]!r} when it was trained, now {now[name]!r}")


def _meaning(entry: Mapping[str, Any]) -> str:
    return f"{entry['sentence']}, settled {entry['delay_days']:g} days after the label window"


def unlearnable_reasons(
    settled: Mapping[str, int], positives: Mapping[str, int], withheld: Mapping[str, str]
) -> dict[str, str]:
    """Why a reward cannot be learned from examples with so many labels by name; empty: it can."""
    why = {}
    for one in REWARDS:
        n, of_them = settled[one.name], positives[one.name]
        if one.name in withheld:
            why[one.name] = withheld[one.name]
        elif not n:
            why[one.name] = f"it is settled {one.delay_days:g} days after the label window, of no example yet"
        elif not 0 < of_them < n:
            why[one.name] = f"{of_them:,} of {n:,} examples have it"
        else:
            why[one.name] = ""
    return why


def disabled_rewards(catalog: Catalog) -> dict[str, str]:
    """Name the rewards of which this catalog's log tells nothing, with the reason."""
    lacking = {one.name: [column for column in one.needs if not catalog.has(column)] for one in REWARDS}
    return {name: f"there is no {' and no '.join(columns)}" for name, columns in lacking.items() if columns}


def label_outcomes(
    candidates: pl.DataFrame,
    plays: pl.DataFrame,
    *,
    catalog: Catalog,
    as_of: datetime,
    ends_at: datetime,
    known_until: datetime,
) -> pl.DataFrame:
    """Candidates as of a moment, and the PLAYS of their users in order -> LABELS beside them, float32.

           history | label window: as_of <= played_at < ends_at | delay of a reward |        known_until
        --------------------------------------------------------------------------------------->

    Null where it is not settled: the delay of the reward is not over, or the log tells nothing of it.
    """
    since = _since(plays, catalog, as_of, ends_at)
    truths = [
        one.label.fill_null(False).cast(pl.Float32).alias(name) for one, name in zip(REWARDS, LABELS, strict=True)
    ]
    outcomes = since.group_by("user_id", "track", maintain_order=True).agg(truths)
    joined = candidates.join(outcomes, on=["user_id", "track"], how="left", maintain_order="left")
    withheld = disabled_rewards(catalog)
    unsettled = [
        label
        for label, one in zip(LABELS, REWARDS, strict=True)
        if one.name in withheld or ends_at + timedelta(days=one.delay_days) > known_until
    ]
    settled = joined.with_columns(pl.col(LABELS).fill_null(0.0))
    return settled.with_columns(pl.lit(None, pl.Float32).alias(name) for name in unsettled)


def _since(plays: pl.DataFrame, catalog: Catalog, as_of: datetime, ends_at: datetime) -> pl.DataFrame:
    """Events since a moment, each with what labels go by.

    user_id, track, action, is_in_window, days (since the moment), is_listened, share (of the track that was heard),
    is_unheard (the user never played the track before), is_continued (the user's next play starts within a session).
    """
    is_play = pl.col("action") == PLAY
    heard = plays.filter(is_play & (pl.col("known_at") < as_of)).select("user_id", "track").unique()
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
        .join(heard.with_columns(is_unheard=pl.lit(False)), on=["user_id", "track"], how="left", maintain_order="left")
        .select(
            "user_id",
            "track",
            "action",
            is_in_window=pl.col("played_at") < ends_at,
            days=-days_since("played_at", as_of),
            is_listened=is_listened(),
            share=pl.col("ms_played") / pl.col("duration_ms"),
            is_unheard=pl.col("is_unheard").fill_null(True),
            is_continued=(pl.col("minutes") <= ms / 60e3 + _SESSION_MINUTES).fill_null(False),
        )
    )


def expected_reward(chances: Mapping[str, np.ndarray], weights: Mapping[str, float] = REWARD_WEIGHTS) -> np.ndarray:
    """What candidates with these chances [n] by reward are worth, float32 [n]: each times its weight, not below 0."""
    total = sum(weights[name] * chances[name].astype(np.float64) for name in REWARD_NAMES if name in chances)
    return np.maximum(total, 0.0).astype(np.float32)
