"""Sequential rules: counts of which track follows which."""

import numpy as np
from scipy.sparse import csr_matrix, diags

from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters
from models.baselines.sparse_rows import as_arrays, from_arrays, sum_similarities

_WINDOW = 10  # maximum distance of two plays of a rule
_BACKWARD = 0.5  # weight of a rule from the later to the earlier track
_RECENT = 50  # latest plays of a user that are used


def count_successors(track: np.ndarray, session: np.ndarray, num_tracks: int, window: int) -> csr_matrix:
    """Sum 1 / distance over the pairs of plays of a session at most `window` apart: float64 [T, T], earlier to later.

    track, session: int [N], in order of session and time.

    session a b c, window 2:   a -> b 1   b -> c 1   a -> c 1/2
    """
    shape = (num_tracks, num_tracks)
    rules = csr_matrix(shape)
    for distance in range(1, window + 1):
        is_one = session[:-distance] == session[distance:]
        pairs = (track[:-distance][is_one], track[distance:][is_one])
        rules = rules + csr_matrix((np.full(len(pairs[0]), 1 / distance), pairs), shape=shape)
    return rules.tocsr()


def _fit_rules(plays: Interactions, parameters: Parameters) -> Arrays:
    """Count, within sessions, which other track follows which, both ways; then damp the popular ones."""
    counts = count_successors(plays.track, plays.session, plays.num_tracks, _WINDOW)
    rules = (counts - diags(counts.diagonal())).tocsr()
    rules.eliminate_zeros()
    both_ways = rules + _BACKWARD * rules.T
    count = np.maximum(np.bincount(plays.track, minlength=plays.num_tracks), 1.0)
    damped = diags(count**-0.5) @ both_ways @ diags(count ** -parameters["popularity_power"])
    return as_arrays(damped.tocsr().astype(np.float32))


def _score_rules(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    """Sum the rules of the user's last plays, each with a lower weight the longer ago, in plays and in days."""
    rules = from_arrays(learned, plays.num_tracks)
    ends = np.searchsorted(plays.user, plays.user, side="right")
    back = ends - 1 - np.arange(len(plays.user))
    weight = 2.0 ** (-back / parameters["half_life_plays"] - plays.days / parameters["half_life_days"])
    is_used = back < _RECENT
    shape = (plays.num_users, plays.num_tracks)
    rows = csr_matrix((np.maximum(weight, 1e-9)[is_used], (plays.user[is_used], plays.track[is_used])), shape=shape)
    return sum_similarities(rows, rules)


SEQUENCE_RULES = Baseline(
    name="sequence_rules",
    sentence="which tracks follow the user's last ones in sessions, weighted by 1 / distance and recency",
    source="sequential rules: Ludewig and Jannach, UMUAI 2018",
    grid=tuple(
        {"popularity_power": power, "half_life_plays": plays, "half_life_days": 7.0}
        for power in (0.1, 0.3)
        for plays in (20.0, 60.0)
    ),
    score=_score_rules,
    fit=_fit_rules,
)
