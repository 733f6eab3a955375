"""The impressions of Home in the sample world, by a policy with exactly known probabilities.

Each request has NUM_CANDIDATES tracks, and one of them is the track that the user came for. The policy draws
SHELF_LENGTH of them in turn, each by softmax over the rest (Plackett-Luce). The user starts the track from Home if it
is on the shelf and the user looks that far, and from elsewhere if not.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.sample_world.catalog import SampleCatalog
from pipelines.sample_world.listeners import Listeners, to_timestamps
from pipelines.sample_world.plays import Plays
from pipelines.sample_world.tables import SAMPLE_IMPRESSIONS
from transforms.tables.groups import rank_in_run
from transforms.tables.surfaces import HOME

SHELF_ID, _POLICY = "for_you", "softmax_v1"
_REQUEST_SHARE = 0.5  # of sessions begin with a request for Home
_NUM_CANDIDATES = 12
SHELF_LENGTH = 6
_NUM_PLAYED = 5  # candidates from the user's plays; the rest are popular tracks
# The policy's score: an estimate of taste, and popularity.
_SCORE_TASTE, _SCORE_POPULARITY = 2.0, 0.5
_EXAMINATION_DECAY = 0.85  # probability of looking on from one position to the next
LOOK_MS = 20_000


@dataclass(frozen=True)
class Requests:
    """R requests for Home.

    play: int [R], the play that followed.
    track, propensity: [R, SHELF_LENGTH], the tracks of the shelf and their probabilities.
    started: int [R], the position that the play started from; -1: not from the shelf.
    """

    play: np.ndarray
    track: np.ndarray
    propensity: np.ndarray
    started: np.ndarray


def draw_requests(rng: np.random.Generator, catalog: SampleCatalog, listeners: Listeners, plays: Plays) -> Requests:
    """Draw the shelves of Home before the first plays of some sessions."""
    nth = rank_in_run(plays.user)
    play = np.flatnonzero((plays.position == 0) & (rng.random(len(nth)) < _REQUEST_SHARE))
    candidates = _draw_candidates(rng, catalog, plays, play, nth[play])
    nearness = listeners.affinity(plays.user[play], plays.drifted[play], catalog.vector[candidates])
    score = _SCORE_TASTE * nearness + _SCORE_POPULARITY * catalog.popularity[candidates]
    position, propensity = draw_shelf(rng, np.where(repeated_in_row(candidates), -np.inf, score), SHELF_LENGTH)
    track = np.take_along_axis(candidates, position, axis=1)
    is_hit = (track == plays.track[play][:, None]) & (propensity > 0)
    is_seen = rng.random(is_hit.shape) < _EXAMINATION_DECAY ** np.arange(SHELF_LENGTH)
    started = np.where((is_hit & is_seen).any(axis=1), np.argmax(is_hit, axis=1), -1)
    return Requests(play, track, propensity, started)


def draw_shelf(rng: np.random.Generator, score: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw `length` columns of each row of scores by Plackett-Luce.

    Returns:
        The columns [R, length], and the probability of each given those before it; 0 where only -inf remained.
    """
    order = np.argsort(-(score + rng.gumbel(size=score.shape)), axis=1)
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    ordered = np.take_along_axis(weight, order, axis=1)
    left = np.cumsum(ordered[:, ::-1], axis=1)[:, ::-1]
    chosen = ordered > 0
    propensity = np.where(chosen, ordered / np.where(chosen, left, 1.0), 0.0)
    return order[:, :length], propensity[:, :length]


def _draw_candidates(
    rng: np.random.Generator, catalog: SampleCatalog, plays: Plays, play: np.ndarray, nth: np.ndarray
) -> np.ndarray:
    """Return the candidates of each request [R, NUM_CANDIDATES]; a track may occur twice."""
    back = np.minimum(np.arange(1, _NUM_PLAYED + 1) * 7, nth[:, None])
    played = plays.track[play[:, None] - back]
    shape = (len(play), _NUM_CANDIDATES - _NUM_PLAYED - 1)
    # the first track of an artist is released before any day
    artist = rng.choice(len(catalog.artist_popularity), shape, p=catalog.artist_popularity)
    return np.concatenate([plays.track[play][:, None], played, catalog.first_track[artist]], axis=1)


def repeated_in_row(tracks: np.ndarray) -> np.ndarray:
    """Return a mask of tracks that occur further left in their row."""
    order = np.argsort(tracks, axis=1, kind="stable")
    ordered = np.take_along_axis(tracks, order, axis=1)
    again = np.zeros(tracks.shape, dtype=bool)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return again


def request_ids(listeners: Listeners, plays: Plays, play: np.ndarray) -> pa.Array:
    """Return the id of the request before each of these plays: the user's id and the number of the session."""
    number = plays.session[play] - plays.session[np.searchsorted(plays.user, plays.user[play])]
    user_id = listeners.user_id.take(pa.array(plays.user[play]))
    return pc.binary_join_element_wise(user_id, pa.array(number).cast(pa.string()), "-home-")


def impression_table(
    catalog: SampleCatalog, listeners: Listeners, plays: Plays, requests: Requests, played_at: np.ndarray
) -> pa.Table:
    """Return SAMPLE_IMPRESSIONS; `played_at`: start of each play, in ms since 1970."""
    is_shown = (requests.propensity > 0).ravel()
    request = pa.array(np.repeat(np.arange(len(requests.play)), SHELF_LENGTH)[is_shown])
    count = len(request)
    columns = {
        "request_id": request_ids(listeners, plays, requests.play).take(request),
        "user_id": listeners.user_id.take(pa.array(plays.user[requests.play])).take(request),
        "shown_at": to_timestamps(played_at[requests.play] - LOOK_MS).take(request),
        "surface": pa.repeat(HOME, count),
        "shelf_id": pa.repeat(SHELF_ID, count),
        "shelf_position": pa.repeat(pa.scalar(0, pa.int32()), count),
        "track_id": catalog.track_id.take(pa.array(requests.track.ravel()[is_shown])),
        "position": pa.array(np.tile(np.arange(SHELF_LENGTH, dtype=np.int32), len(requests.play))[is_shown]),
        "propensity": pa.array(requests.propensity.ravel()[is_shown]),
        "policy": pa.repeat(_POLICY, count),
    }
    return pa.table(columns, schema=SAMPLE_IMPRESSIONS.arrow)
