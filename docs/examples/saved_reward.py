"""A reward: the user listens to the track, and keeps it within a week."""

import polars as pl

from transforms.features.reward import Reward
from transforms.tables.schemas import LIKE, PLAYLIST_ADD, SAVE

KEEP_DAYS = 7.0
_DAYS = pl.col("days")
_FIRST_LISTEN = _DAYS.filter(pl.col("is_listened") & pl.col("is_in_window")).min()
_IS_KEPT = pl.col("action").is_in([SAVE, LIKE, PLAYLIST_ADD])

REWARDS = (
    Reward(
        "saved_after_listen",
        # without a listen in the window the comparison is null, and no event counts
        label=(_IS_KEPT & (_DAYS >= _FIRST_LISTEN) & (_DAYS <= _FIRST_LISTEN + KEEP_DAYS)).any(),
        weight=0.5,
        sentence=f"listened to in the label window, and saved, liked or added to a playlist in the {KEEP_DAYS:g} days"
        " that followed",
        # a listen on the last day of the window is settled this much later
        delay_days=KEEP_DAYS,
    ),
)
