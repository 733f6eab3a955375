"""REWARDS: the outcomes that make up the score of a candidate. Adding one is one entry."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.features.reward import Reward, label_column, probability_column
from transforms.plugins import plugin_entries
from transforms.tables.schemas import LIKE, PLAY, PLAYLIST_ADD, SAVE

# Increase it when labels change their meaning: rankers of another version are not used.
REWARDS_VERSION = 1
# The reward that every ranker predicts, and that the quality of rankers is measured by.
LISTENED = "listened"
# Longest pause between two plays of a session.
SESSION_PAUSE_MINUTES = 30.0
_COMPLETED_SHARE = 0.9
_RETENTION_DAYS, _MIN_FURTHER_DAYS = 28.0, 2

_IN_WINDOW, _IS_PLAY, _IS_LISTENED = pl.col("is_in_window"), pl.col("action") == PLAY, pl.col("is_listened")
_LISTENED = _IS_LISTENED & _IN_WINDOW
_DAYS = pl.col("days")
_LATER_DAYS = _DAYS.floor().filter(_IS_LISTENED & (_DAYS <= _DAYS.filter(_LISTENED).min() + _RETENTION_DAYS)).n_unique()

REWARDS: tuple[Reward, ...] = (
    Reward(LISTENED, _LISTENED.any(), 1.0, "listened to for 30 s or more in the label window"),
    Reward(
        "completed",
        (_IS_PLAY & _IN_WINDOW & (pl.col("share") >= _COMPLETED_SHARE)).any(),
        0.2,
        f"played for {_COMPLETED_SHARE:.0%} of its length or more in the label window",
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
        pl.col("is_unplayed").any() & _LISTENED.any() & (_LATER_DAYS > _MIN_FURTHER_DAYS),
        1.0,
        f"unplayed before, listened to in the label window and on {_MIN_FURTHER_DAYS} further days of the"
        f" {_RETENTION_DAYS:g} that followed",
        delay_days=_RETENTION_DAYS,
    ),
    Reward(
        "session_continued",
        (_LISTENED & pl.col("is_continued")).any(),
        0.1,
        f"listened to in the label window, and followed by another play within {SESSION_PAUSE_MINUTES:g} minutes",
    ),
    *plugin_entries("REWARDS"),
)
REWARD_NAMES = tuple(reward.name for reward in REWARDS)
REWARD_WEIGHTS = {reward.name: reward.weight for reward in REWARDS}
LABELS = tuple(map(label_column, REWARD_NAMES))
PROBABILITIES = tuple(map(probability_column, REWARD_NAMES))
MAX_REWARD = sum(reward.weight for reward in REWARDS if reward.weight > 0)


def describe_rewards() -> dict[str, Any]:
    """Return REWARDS as JSON, with a hash: a consumer sees when a score changes its meaning."""
    entries = [
        {"name": one.name, "weight": one.weight, "delay_days": one.delay_days, "sentence": one.sentence}
        for one in REWARDS
    ]
    described = json.dumps([REWARDS_VERSION, entries]).encode()
    return {"version": REWARDS_VERSION, "hash": hashlib.sha256(described).hexdigest()[:12], "rewards": entries}


def check_rewards(found: Mapping[str, Any], heads: Sequence[str]) -> None:
    """Check that the heads of a ranker mean the same as today's rewards of these names; weights may differ.

    Raises:
        ValueError: one does not; the message names it.
    """
    now, then = ({one["name"]: _meaning(one) for one in said["rewards"]} for said in (describe_rewards(), found))
    if found["version"] != REWARDS_VERSION:
        raise ValueError(f"its rewards are of version {found['version']}, today's are of version {REWARDS_VERSION}")
    for name in heads:
        if name not in now:
            raise ValueError(f"it was trained for the reward {name!r}, which does not exist any more")
        if now[name] != then[name]:
            raise ValueError(f"the reward {name!r} meant {then[name]!r} when it was trained, now {now[name]!r}")


def _meaning(entry: Mapping[str, Any]) -> str:
    return f"{entry['sentence']}, settled {entry['delay_days']:g} days after the label window"


def unlearnable_reasons(
    settled: Mapping[str, int], positives: Mapping[str, int], disabled: Mapping[str, str]
) -> dict[str, str]:
    """Return for each reward why examples with these counts of labels cannot train it; empty where they can."""
    reasons = {}
    for one in REWARDS:
        n, n_positive = settled[one.name], positives[one.name]
        if one.name in disabled:
            reasons[one.name] = disabled[one.name]
        elif not n:
            reasons[one.name] = f"it is settled {one.delay_days:g} days after the label window, of no example yet"
        elif not 0 < n_positive < n:
            reasons[one.name] = f"{n_positive:,} of {n:,} examples have it"
        else:
            reasons[one.name] = ""
    return reasons


def disabled_rewards(catalog: Catalog) -> dict[str, str]:
    """Return the rewards that this catalog's log does not tell, with the reason."""
    lacking = {one.name: [column for column in one.needs if not catalog.has(column)] for one in REWARDS}
    return {name: f"there is no {' and no '.join(columns)}" for name, columns in lacking.items() if columns}


def expected_reward(
    probabilities: Mapping[str, np.ndarray], weights: Mapping[str, float] = REWARD_WEIGHTS
) -> np.ndarray:
    """Compute the score, float32 [n]: the sum of probabilities [n] times weights, not below 0.

    Rewards that are missing from `probabilities` count 0.
    """
    total = sum(
        weights[name] * probabilities[name].astype(np.float64) for name in REWARD_NAMES if name in probabilities
    )
    return np.maximum(total, 0.0).astype(np.float32)
