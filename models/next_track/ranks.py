"""Ranks and probabilities of the plays that came, from scores of all tracks."""

from typing import NamedTuple

import numpy as np

from models.next_track.contract import SECONDS_PER_DAY, PlayLog


class Ranked(NamedTuple):
    """Of B cases: rank of the played track, from 0, int64 [B], and its share of the scores, float64 [B]."""

    rank: np.ndarray
    share: np.ndarray


def rank_targets(scores: np.ndarray, target: np.ndarray, place: np.ndarray) -> Ranked:
    """Rank each row's target [B] among all tracks by scores [B, T]; ties by the tracks' place [T], the lowest first."""
    own = scores[np.arange(len(target)), target][:, None]
    is_better = (scores > own) | ((scores == own) & (place[None] < place[target][:, None]))
    total = scores.sum(axis=1, dtype=np.float64)
    share = np.where(total > 0, own[:, 0] / np.where(total > 0, total, 1.0), 0.0)
    return Ranked(is_better.sum(axis=1), share)


def decayed_counts(log: PlayLog, now: float, half_life_days: float) -> np.ndarray:
    """Count the plays of each track, each halved per half-life of age: float32 [T]."""
    weight = 2.0 ** (-(now - log.seconds) / SECONDS_PER_DAY / half_life_days)
    counts: np.ndarray = np.bincount(log.track, weight, minlength=log.num_tracks).astype(np.float32)
    return counts


def places(popularity: np.ndarray) -> np.ndarray:
    """Return the place of each track by popularity [T], equal ones by code: int64 [T]."""
    place = np.empty(len(popularity), dtype=np.int64)
    place[np.lexsort((np.arange(len(popularity)), -popularity))] = np.arange(len(popularity))
    return place
