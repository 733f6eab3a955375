"""Baselines of repeats: the tracks that the user played most, last, or both."""

import numpy as np

from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters


def _score_top(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    """Count the plays of each track; among equals the last played comes first."""
    count = _per_track(plays, np.ones(len(plays.track)))
    recency = 1 / (1 + _last(plays))
    return np.where(count > 0, count + recency / 2, -np.inf).astype(np.float32)


def _score_recent(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    """Score tracks by the time of the last play."""
    return (-_last(plays)).astype(np.float32)


def _score_activation(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    """Return base-level activation: ln of the sum of age^-decay over all plays of a track."""
    strength = _per_track(plays, plays.days ** -parameters["decay"])
    with np.errstate(divide="ignore"):
        return np.log(strength).astype(np.float32)


def _per_track(plays: Interactions, weight: np.ndarray) -> np.ndarray:
    """Sum weights [N] by user and track, [U, T], in the order of the plays: a sum does not depend on the block."""
    key = plays.user.astype(np.int64) * plays.num_tracks + plays.track
    sums = np.bincount(key, weight, minlength=plays.num_users * plays.num_tracks)
    return sums.reshape(plays.num_users, plays.num_tracks)


def _last(plays: Interactions) -> np.ndarray:
    """Age of the last play in days, [U, T]; infinite without a play."""
    last = np.full((plays.num_users, plays.num_tracks), np.inf)
    np.minimum.at(last, (plays.user, plays.track), plays.days)
    return last


REPEAT_TOP = Baseline(
    name="repeat_top",
    sentence="the user's tracks by number of plays, the last played first among equals",
    source="",
    grid=({},),
    score=_score_top,
)
REPEAT_RECENT = Baseline(
    name="repeat_recent",
    sentence="the user's tracks, the last played first",
    source="",
    grid=({},),
    score=_score_recent,
)
ACT_R = Baseline(
    name="act_r",
    sentence="the user's tracks by base-level activation: how often and how lately they were played",
    source="Anderson and Schooler, 1991; for music Reiter-Haas et al., RecSys 2021",
    grid=tuple({"decay": decay} for decay in (0.5, 0.8, 1.2, 1.6)),
    score=_score_activation,
)
