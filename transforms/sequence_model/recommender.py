"""SequenceRecommender: a trained sequence model that answers for plays of a bucket."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.sequence_model.sequence_files import ScoreWindows
from transforms.sequence_model.user_plays import UserPlays, request_windows, user_plays


@dataclass(frozen=True)
class SequenceRecommender:
    """score_windows: the model. duration_ms: of each track, null where unknown."""

    score_windows: ScoreWindows
    duration_ms: pl.Series

    def read(self, plays: pl.DataFrame) -> UserPlays:
        """Convert PLAYS of whole users in order."""
        return user_plays(plays, self.duration_ms)

    def predict(self, plays: UserPlays, row: np.ndarray) -> np.ndarray:
        """Return the probability of every track as the play of each row [B], from those of its user before: [B, N]."""
        return self.score_windows(request_windows(plays, plays.user[row], row, plays.seconds[row]))[0]
