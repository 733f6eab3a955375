"""What Home showed in the sample world, by a policy whose probabilities are known exactly.

Each request has NUM_CANDIDATES tracks, among them the one that the user came for. The policy puts SHELF_LENGTH of them
on the shelf, one after the other, each by softmax over those that are left (Plackett-Luce). The user starts the track
from Home if it is on the shelf and the eye gets that far, and from elsewhere if not.
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

HOME, SHELF_ID, POLICY = "home", "for_you", "softmax_v1"
REQUEST_SHARE = 0.5  # of sessions begin with a look at Home
NUM_CANDIDATES = 12
SHELF_LENGTH = 6
NUM_KNOWN = 5  # candidates from the user's latest plays; the rest are popular tracks
# The policy's score: an estimate of taste, and popularity.
SCORE_TASTE, SCORE_POPULARITY = 2.0, 0.5
EXAMINATION_DECAY = 0.85  # chance that the eye goes on from one place to the next
LOOK_MS = 20_000


@dataclass(frozen=True)
class Requests:
    """R requests: the play each came before, its shelf's tracks and probabilities [R, SHELF_LENGTH], place started.

    `started` is -1 where the play did not start from the shelf.
    """

    play: np.ndarray
    track: np.ndarray
    propensity: np.ndarray
    started: np.ndarray


def draw_requests(rng: np.random.Generator, catalog: SampleCatalog, listeners: Listeners, plays: Plays) -> Requests:
    """Draw what Home showed before the first plays of some sessions."""
    nth = rank_in_run(plays.user)
    play = np.flatnonzero((plays.place == 0) & (rng.random(len(nth)) < REQUEST_SHARE))
    candidates = _draw_candidates(rng, catalog, plays, play, nth[play])
    nearness = listeners.affinity(plays.user[play], plays.moved[play], catalog.vector[candidates])
    score = SCORE_TASTE * nearness + SCORE_POPULARITY * catalog.popularity[candidates]
    place, propensity = draw_shelf(rng, np.where(_is_again(candidates), -np.inf, score), SHELF_LENGTH)
    track = np.take_along_axis(candidates, place, axis=1)
    is_hit = (track == plays.track[play][:, None]) & (propensity > 0)
    is_seen = rng.random(is_hit.shape) < EXAMINATION_DECAY ** np.arange(SHELF_LENGTH)
    started = np.where((is_hit & is_seen).any(axis=1), np.argmax(is_hit, axis=1), -1)
    return Requests(play, track, propensity, started)


def draw_shelf(rng: np.random.Generator, score: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw `length` columns of each row of scores by Plackett-Luce.

    Returns the columns [R, length] and the probability of each given those before it; 0 where only scores of -inf were
    left.
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
    """Return the tracks on offer [R, NUM_CANDIDATES]; one may stand there twice."""
    back = np.minimum(np.arange(1, NUM_KNOWN + 1) * 7, nth[:, None])
    known = plays.track[play[:, None] - back]
    shape = (len(play), NUM_CANDIDATES - NUM_KNOWN - 1)
    # the first track of an artist is out on any day
    artist = rng.choice(len(catalog.artist_popularity), shape, p=catalog.artist_popularity)
    return np.concatenate([plays.track[play][:, None], known, catalog.first_track[artist]], axis=1)


def _is_again(tracks: np.ndarray) -> np.ndarray:
    """Whether the same track stands further left in the row."""
    order = np.argsort(tracks, axis=1, kind="stable")
    ordered = np.take_along_axis(tracks, order, axis=1)
    again = np.zeros(tracks.shape, dtype=bool)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return again


def request_ids(listeners: Listeners, plays: Plays, play: np.ndarray) -> pa.Array:
    """Return an id for the request before each of these plays: the user's, and the number of the session."""
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
        "policy": pa.repeat(POLICY, count),
    }
    return pa.table(columns, schema=SAMPLE_IMPRESSIONS.arrow)
