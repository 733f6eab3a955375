"""Baselines that are not personal: the tracks that everyone plays."""

import numpy as np

from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters


def _fit_popularity(plays: Interactions, parameters: Parameters) -> Arrays:
    """Count plays, each halved per half-life of age where there is one."""
    half_life = parameters.get("half_life_days")
    weight = None if half_life is None else 2.0 ** (-plays.days / half_life)
    return {"popularity": np.bincount(plays.track, weight, minlength=plays.num_tracks).astype(np.float32)}


def _score_popularity(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    """Give all users the same scores; a track without a play has none."""
    popularity = np.where(learned["popularity"] > 0, learned["popularity"], -np.inf).astype(np.float32)
    return np.repeat(popularity[None], plays.num_users, axis=0)


MOST_POPULAR = Baseline(
    name="most_popular",
    sentence="tracks by number of plays of everyone",
    source="",
    grid=({},),
    score=_score_popularity,
    fit=_fit_popularity,
)
DECAYED_POPULARITY = Baseline(
    name="decayed_popularity",
    sentence="tracks by number of plays of everyone, each halved per half-life",
    source="Ji et al., A Re-visit of the Popularity Baseline, SIGIR 2020",
    grid=tuple({"half_life_days": days} for days in (7.0, 3.0, 14.0, 30.0, 60.0)),
    score=_score_popularity,
    fit=_fit_popularity,
)
