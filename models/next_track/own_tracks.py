"""Baselines that need no neighbours: popularity, and the user's own tracks by activation."""

import numpy as np
from scipy.sparse import csr_matrix

from models.next_track.contract import (
    SECONDS_PER_DAY,
    Cases,
    NextTrackArrays,
    NextTrackBaseline,
    NextTrackParameters,
    PlayLog,
    dense_scores,
    known_plays,
)
from models.next_track.ranks import decayed_counts

# Plays of a user that count towards activation; older ones would change it little.
_MOST_PLAYS = 2_000
_LEAST_SECONDS = 60.0


def _fit_popularity(log: PlayLog, now: float, parameters: NextTrackParameters) -> NextTrackArrays:
    return {"popularity": decayed_counts(log, now, parameters["half_life_days"])}


def _score_popularity(cases: Cases, learned: NextTrackArrays, parameters: NextTrackParameters) -> np.ndarray:
    """Give all users the same scores."""
    return np.repeat(learned["popularity"][None], len(cases), axis=0)


def _score_activation(cases: Cases, learned: NextTrackArrays, parameters: NextTrackParameters) -> np.ndarray:
    """Sum age^-decay over the user's plays of each track; ages count from the case, and are in days."""
    case, row = known_plays(cases, _MOST_PLAYS)
    age = np.maximum(cases.log.seconds[cases.at[case]] - cases.log.seconds[row], _LEAST_SECONDS) / SECONDS_PER_DAY
    shape = (len(cases), cases.log.num_tracks)
    return dense_scores(csr_matrix((age ** -parameters["decay"], (case, cases.log.track[row])), shape=shape))


NEXT_POPULAR = NextTrackBaseline(
    name="decayed_popularity",
    sentence="tracks by number of plays of everyone, each halved per half-life",
    source="Ji et al., A Re-visit of the Popularity Baseline, SIGIR 2020",
    grid=tuple({"half_life_days": days} for days in (14.0, 1.0, 3.0, 7.0, 30.0)),
    score=_score_popularity,
    fit=_fit_popularity,
)
NEXT_ACTIVATION = NextTrackBaseline(
    name="act_r",
    sentence="the user's tracks by base-level activation: how often and how lately they were played",
    source="Anderson and Schooler, 1991; for music Reiter-Haas et al., RecSys 2021",
    grid=tuple({"decay": decay} for decay in (0.5, 0.8, 1.2)),
    score=_score_activation,
)
