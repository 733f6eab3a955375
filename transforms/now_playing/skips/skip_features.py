"""Features of a play before it begins: what is known of user and track, and the session so far.

Training computes them for plays of the log, queues for tracks that may come next: one definition of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from transforms.now_playing.skips.session_plays import SessionPlays, days_since_before, sum_before

# Of user and track, before the play; and of the session before it.
OWN_FEATURES = (
    "user_plays",
    "user_skip_rate",
    "track_plays",
    "track_skip_rate",
    "plays_of_track",
    "skip_rate_of_track",
    "days_since_track",
    "plays_of_artist",
    "skip_rate_of_artist",
    "taste_distance",
)
SESSION_FEATURES = (
    "position",
    "skips_last_1",
    "skips_last_3",
    "skips_last_5",
    "familiar_share",
    "artist_run",
    "artist_recent",
    "step",
    "session_distance",
    "slope",
    "minutes",
    "daypart",
    "is_manual",
    "is_shuffle",
)
SKIP_FEATURES = (*OWN_FEATURES, *SESSION_FEATURES)
# The features that the order of a queue changes, in the model of order.
STEP, ARTIST_RECENT = "step", "artist_recent"
ARTIST_WINDOW = 4
# Plays that a rate is drawn to the usual one by, and the usual rate of skips.
_PRIOR_PLAYS, _USUAL_RATE = 5.0, 0.3
_TRACK_BITS = 32
_UNIT = 2.0**20


@dataclass(frozen=True)
class TrackFigures:
    """Facts of N tracks: skip rate and plays before the plays in question, artist (-1: unknown), vectors [N, V].

    vector: of unit length, or zeros; V is 0 where the catalog has none.
    """

    skip_rate: np.ndarray
    num_plays: np.ndarray
    artist: np.ndarray
    vector: np.ndarray


def smoothed_rate(skips: np.ndarray, plays: np.ndarray, usual: float = _USUAL_RATE) -> np.ndarray:
    """Return a rate of skips that few plays draw towards the usual one."""
    return (skips + _PRIOR_PLAYS * usual) / (plays + _PRIOR_PLAYS)


def own_features(
    plays: Mapping[str, np.ndarray], facts: TrackFigures, track: np.ndarray, taste: np.ndarray
) -> dict[str, np.ndarray]:
    """Return OWN_FEATURES of rows; plays: plays and skips so far of user, track and artist; taste: vectors [n, V].

    plays has user_plays, user_skips, track_plays, track_skips, artist_plays, artist_skips and days_since_track.
    """
    user_rate = smoothed_rate(plays["user_skips"], plays["user_plays"])
    return {
        "user_plays": np.log1p(plays["user_plays"]),
        "user_skip_rate": user_rate,
        "track_plays": np.log1p(facts.num_plays[track]),
        "track_skip_rate": facts.skip_rate[track],
        "plays_of_track": np.log1p(plays["track_plays"]),
        "skip_rate_of_track": (plays["track_skips"] + user_rate) / (plays["track_plays"] + 1),
        "days_since_track": np.log1p(plays["days_since_track"]),
        "plays_of_artist": np.log1p(plays["artist_plays"]),
        "skip_rate_of_artist": (plays["artist_skips"] + 2 * user_rate) / (plays["artist_plays"] + 2),
        "taste_distance": _distance(facts.vector[track], taste),
    }


def plays_before(plays: SessionPlays, facts: TrackFigures) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the plays and skips of user, track and artist before each play, and the user's mean vector so far."""
    of_track = plays.user << _TRACK_BITS | plays.track
    artist = facts.artist[plays.track]
    of_artist = plays.user << _TRACK_BITS | np.where(artist >= 0, artist, (1 << _TRACK_BITS) - 1 - plays.track)
    skips, ones = np.nan_to_num(plays.is_skip), np.ones(len(plays))
    keys = {"user": plays.user, "track": of_track, "artist": of_artist}
    found = {f"{name}_plays": sum_before(key, ones) for name, key in keys.items()}
    found |= {f"{name}_skips": sum_before(key, skips) for name, key in keys.items()}
    found["days_since_track"] = days_since_before(of_track, plays.seconds)
    return found, _mean_before(plays.user, facts.vector[plays.track] * (1 - skips)[:, None])


def session_features(plays: SessionPlays, facts: TrackFigures, is_familiar: np.ndarray) -> dict[str, np.ndarray]:
    """Return SESSION_FEATURES of every play; is_familiar: whether the user had listened to its track before."""
    position, skips = plays.position, np.nan_to_num(plays.is_skip)
    vector, artist = facts.vector[plays.track], facts.artist[plays.track]
    last = [_shifted(skips, position, distance) for distance in range(1, 6)]
    same = [
        _shifted(artist, position, distance, fill=-2) == np.where(artist >= 0, artist, -3)
        for distance in range(1, ARTIST_WINDOW + 1)
    ]
    step = np.where(position > 0, _distance(vector, np.roll(vector, 1, axis=0)), np.nan)
    begins = plays.seconds[np.arange(len(plays)) - position]
    return {
        "position": np.log1p(position),
        "skips_last_1": last[0],
        "skips_last_3": sum(last[:3], np.zeros(len(plays))),
        "skips_last_5": sum(last, np.zeros(len(plays))),
        "familiar_share": sum_before(plays.session, is_familiar.astype(float)) / np.maximum(position, 1),
        "artist_run": np.cumprod(same, axis=0).sum(axis=0).astype(float),
        "artist_recent": sum(same, np.zeros(len(plays))),
        "step": step,
        "session_distance": np.where(position > 0, _distance(vector, _mean_before(plays.session, vector)), np.nan),
        "slope": _shifted(step, position, 1, fill=np.nan),
        "minutes": np.log1p((plays.seconds - begins) / 60),
        "daypart": plays.seconds // 3600 % 24,
        "is_manual": plays.is_manual,
        "is_shuffle": plays.is_shuffle,
    }


def feature_matrix(features: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return SKIP_FEATURES as float64 [n, F]."""
    return np.column_stack([features[name].astype(np.float64) for name in SKIP_FEATURES])


def _shifted(values: np.ndarray, position: np.ndarray, distance: int, fill: float = 0.0) -> np.ndarray:
    """Return the value `distance` plays before in the session, or `fill`."""
    return np.where(position >= distance, np.roll(values, distance, axis=0), fill)


def _distance(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return 1 - cosine, NaN where either is unknown; vectors are of unit length, others of any."""
    if not vectors.shape[1]:
        return np.full(len(vectors), np.nan)
    norm = np.sqrt(np.square(others).sum(axis=1))
    product = np.einsum("nv,nv->n", vectors, others)
    is_known = (norm > 0) & np.any(vectors != 0, axis=1)
    return np.where(is_known, 1 - product / np.where(norm > 0, norm, 1.0), np.nan)


def _mean_before(key: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the sum of the vectors of earlier rows with the same key, of which only the direction counts: [N, V].

    In whole numbers: what precedes a user in a bucket would change the rounding of running sums.
    """
    units = np.rint(vectors.astype(np.float64) * _UNIT)
    return np.column_stack([sum_before(key, column) for column in units.T]) if vectors.shape[1] else vectors
