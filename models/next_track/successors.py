"""Baselines that count which track follows which within sessions: Markov chain and sequential rules."""

import numpy as np
from scipy.sparse import diags

from models.baselines.sequence_rules import count_successors
from models.baselines.sparse_rows import as_arrays, from_arrays
from models.next_track.contract import (
    Cases,
    NextTrackArrays,
    NextTrackBaseline,
    NextTrackParameters,
    PlayLog,
    dense_scores,
    recent_rows,
)

_WINDOW = 10  # maximum distance of two plays of a rule


def _fit_rules(log: PlayLog, now: float, parameters: NextTrackParameters) -> NextTrackArrays:
    """Count successors, damp popular tracks, and make the rules of each track sum to 1 if `is_share`."""
    rules = count_successors(log.track, log.session, log.num_tracks, int(parameters.get("window", _WINDOW)))
    count = np.maximum(np.bincount(log.track, minlength=log.num_tracks), 1.0)
    damped = (rules @ diags(count ** -parameters.get("popularity_power", 0.0))).tocsr()
    if parameters.get("is_share", 0.0):
        total = np.asarray(damped.sum(axis=1)).ravel()
        damped = (diags(1 / np.where(total > 0, total, 1.0)) @ damped).tocsr()
    return as_arrays(damped.astype(np.float32))


def _score_rules(cases: Cases, learned: NextTrackArrays, parameters: NextTrackParameters) -> np.ndarray:
    """Sum the rules of the user's last plays, the newest with the highest weight."""
    rules = from_arrays(learned, cases.log.num_tracks)
    rows = recent_rows(cases, int(parameters.get("num_plays", 1)), parameters.get("decay", 1.0))
    return dense_scores(rows @ rules)


MARKOV = NextTrackBaseline(
    name="markov",
    sentence="tracks by how often they directly followed the last one in a session",
    source="first-order Markov chain",
    grid=({"window": 1.0},),
    score=_score_rules,
    fit=_fit_rules,
)
RULES_LAST = NextTrackBaseline(
    name="rules_last",
    sentence="tracks that followed the last one within ten plays of a session, each by 1 / distance",
    source="sequential rules: Ludewig and Jannach, UMUAI 2018",
    grid=tuple({"popularity_power": power} for power in (0.0, 0.1, 0.3)),
    score=_score_rules,
    fit=_fit_rules,
)
RULES_RECENT = NextTrackBaseline(
    name="rules_recent",
    sentence="the same of the last ten plays, the newest with the highest weight",
    source="sequential rules: Ludewig and Jannach, UMUAI 2018",
    grid=tuple(
        {"num_plays": 10.0, "decay": decay, "is_share": is_share} for decay in (0.8, 0.6) for is_share in (0.0, 1.0)
    ),
    score=_score_rules,
    fit=_fit_rules,
)
