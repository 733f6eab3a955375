"""A reward: the track was started, for however long."""

import polars as pl

from transforms.features.reward import Reward
from transforms.tables.schemas import PLAY

REWARDS = (Reward("toy_started", ((pl.col("action") == PLAY) & pl.col("is_in_window")).any(), 0.01, "started"),)
