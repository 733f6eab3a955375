"""Put the tracks of queues in order: a beam search of all queues at once, under the rules of order.

Arrays of Q queues, W beams, S tracks of a set. A step extends every beam by every track that the rules allow, and keeps
the W best. Where no beam of a queue can go on, the rules are relaxed for that step, in the order of RELAXATIONS.
"""

from dataclasses import dataclass

import numpy as np

from transforms.now_playing.queues.queue_tables import MIN_ARTIST_DISTANCE, SHARE_SLACK, SHARE_WINDOW

_NONE = -1
_IMPOSSIBLE = np.float32(-np.inf)
_NO_ARTIST = -2
# Share of a queue that is liked by the context; after it the liking of the listener counts more and more.
_NEAR_CONTEXT = 0.1


@dataclass(frozen=True)
class Sets:
    """Sets of tracks to be put in order.

    is_there, is_familiar: bool [Q, S]. artist: int [Q, S], -1: unknown. log_odds: of a skip [Q, S], as if the track
    came after one of usual distance by another artist. distance: 1 - cosine [Q, S, S]; first_distance [Q, S], from the
    last track of the context. context_liking, own_liking: ln of chances [Q, S]. last_artist: of the last tracks of the
    context [Q, MIN_ARTIST_DISTANCE], the newest first. last_familiar: float32 [Q, SHARE_WINDOW - 1], of what stands
    before the set and counts for the share: 1 familiar, 0 new, NaN nothing; the newest first. familiar_per_10: int [Q].
    """

    is_there: np.ndarray
    is_familiar: np.ndarray
    artist: np.ndarray
    log_odds: np.ndarray
    distance: np.ndarray
    first_distance: np.ndarray
    context_liking: np.ndarray
    own_liking: np.ndarray
    last_artist: np.ndarray
    last_familiar: np.ndarray
    familiar_per_10: np.ndarray

    def __len__(self) -> int:
        """Return the number of queues."""
        return len(self.is_there)


@dataclass(frozen=True)
class OrderWeights:
    """Log-odds of a skip for a distance of 1 and for each play of the artist among the last ones; weight of a liking.

    familiar_first: added to the value of a familiar track in the first place.
    """

    step: float
    artist_recent: float
    liking: float
    familiar_first: float


@dataclass(frozen=True)
class Orders:
    """Tracks of queues in order: place int [Q, L], indexes of the set, -1 after the end; relaxed: bool [Q, 2]."""

    place: np.ndarray
    relaxed: np.ndarray


@dataclass
class _Beams:
    """Beams: value [Q, W]; used [Q, W, S]; last, int [Q, W]; artists [Q, W, D], of the last tracks, the newest first.

    familiar: float32 [Q, W, SHARE_WINDOW - 1], of the last tracks: 1 familiar, 0 new, NaN nothing yet. place: int
    [Q, W, t]. relaxed: bool [Q, W, 2].
    """

    value: np.ndarray
    used: np.ndarray
    last: np.ndarray
    artists: np.ndarray
    familiar: np.ndarray
    place: np.ndarray
    relaxed: np.ndarray


def order_queues(sets: Sets, weights: OrderWeights, length: int, width: int) -> Orders:
    """Return the order of each set with the highest value that the beam search finds."""
    beams, dislike = _start(sets, width), _dislike(sets, weights)
    for position in range(length):
        same = _same_artist(sets, beams)
        allowed, relaxed = _allowed(sets, beams, same)
        again = allowed & np.logical_or.reduce(same)
        gain = _gain(sets, beams, again, weights, dislike, position / max(1, length))
        total = np.where(allowed, beams.value[:, :, None] + gain, _IMPOSSIBLE)
        beams = _extended(sets, beams, total, relaxed)
    return Orders(beams.place[:, 0], beams.relaxed[:, 0])


def _start(sets: Sets, width: int) -> _Beams:
    """Return beams of which only the first is alive."""
    queues, size = sets.is_there.shape
    value = np.full((queues, width), _IMPOSSIBLE, dtype=np.float32)
    value[:, 0] = 0.0
    return _Beams(
        value=value,
        used=np.zeros((queues, width, size), dtype=bool),
        last=np.full((queues, width), _NONE),
        artists=np.repeat(sets.last_artist[:, None], width, axis=1),
        familiar=np.repeat(sets.last_familiar[:, None], width, axis=1),
        place=np.zeros((queues, width, 0), dtype=np.int64),
        relaxed=np.zeros((queues, width, 2), dtype=bool),
    )


def _same_artist(sets: Sets, beams: _Beams) -> list[np.ndarray]:
    """Return whether each track is by the artist of the last one, of the one before it, ...: bool [Q, W, S] each."""
    artist = np.where(sets.artist >= 0, sets.artist, _NO_ARTIST)[:, None]
    return [artist == beams.artists[:, :, back, None] for back in range(MIN_ARTIST_DISTANCE)]


def _allowed(sets: Sets, beams: _Beams, same: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the tracks that may extend each beam [Q, W, S], and which rules were relaxed for a queue [Q, 2]."""
    is_free = sets.is_there[:, None] & ~beams.used & np.isfinite(beams.value)[:, :, None]
    lax = is_free & ~np.logical_or.reduce(same[: MIN_ARTIST_DISTANCE - 1])
    strict = lax & _fits_share(sets, beams)
    has_strict, has_lax, has_any = (one.any(axis=(1, 2)) for one in (strict, lax, is_free))
    relaxed = np.stack([~has_strict & has_any, ~has_lax & has_any], axis=1)
    allowed = np.where(has_strict[:, None, None], strict, np.where(has_lax[:, None, None], lax, is_free))
    return allowed, relaxed


def _fits_share(sets: Sets, beams: _Beams) -> np.ndarray:
    """Return which tracks keep the familiar ones of the last ten within the slack of the wish: bool [Q, W, S]."""
    wish = sets.familiar_per_10[:, None]
    num_familiar, num_new = np.nansum(beams.familiar, axis=2), np.nansum(1 - beams.familiar, axis=2)
    may_be_familiar = num_familiar + 1 <= wish + SHARE_SLACK
    may_be_new = num_new + 1 <= SHARE_WINDOW - wish + SHARE_SLACK
    return np.where(sets.is_familiar[:, None], may_be_familiar[:, :, None], may_be_new[:, :, None])


def _dislike(sets: Sets, weights: OrderWeights) -> np.ndarray:
    """Return -ln of the chance of no skip of each track after the start and after each other: [Q, 1 + S, S]."""
    distance = np.concatenate([sets.first_distance[:, None], sets.distance], axis=1)
    return _softplus(sets.log_odds[:, None] + np.float32(weights.step) * distance)


def _gain(
    sets: Sets,
    beams: _Beams,
    again: np.ndarray,
    weights: OrderWeights,
    dislike: np.ndarray,
    passed: float,
) -> np.ndarray:
    """Return the value of each track as the next one of each beam: ln of its chance of no skip, and liking.

    again: allowed tracks by an artist of the last ones. passed: share of the queue before it, with which the liking
    drifts from the context to the listener.
    """
    found = dislike[np.arange(len(sets))[:, None], beams.last + 1]
    queue, beam, track = np.unravel_index(np.flatnonzero(again), again.shape)
    last = beams.last[queue, beam]
    distance = np.where(last < 0, sets.first_distance[queue, track], sets.distance[queue, last, track])
    log_odds = sets.log_odds[queue, track] + np.float32(weights.step) * distance
    times = (beams.artists[queue, beam] == sets.artist[queue, track][:, None]).sum(axis=1, dtype=np.float32)
    found[queue, beam, track] = _softplus(log_odds + np.float32(weights.artist_recent) * times)
    drift = np.float32(min(1.0, max(0.0, (passed - _NEAR_CONTEXT) / (1 - _NEAR_CONTEXT))))
    liking = np.float32(weights.liking) * ((1 - drift) * sets.context_liking + drift * sets.own_liking)
    if passed == 0:
        liking = liking + np.float32(weights.familiar_first) * sets.is_familiar
    return np.asarray(liking[:, None] - found)


def _softplus(log_odds: np.ndarray) -> np.ndarray:
    return np.asarray(np.log1p(np.exp(np.clip(log_odds, -30, 30))))


def _extended(sets: Sets, beams: _Beams, total: np.ndarray, relaxed: np.ndarray) -> _Beams:
    """Keep the best extensions of each queue, ties by beam and place; queues without any keep what they have."""
    queues, width, size = total.shape
    flat = total.reshape(queues, -1)
    best, value = _best(flat, width)
    row = np.arange(queues)[:, None]
    goes_on = np.isfinite(flat).any(axis=1)
    beam = np.where(goes_on[:, None], best // size, np.arange(width))
    track = np.where(goes_on[:, None], best % size, _NONE)
    chosen = np.maximum(track, 0)
    used = beams.used[row, beam]
    used[row, np.arange(width), chosen] |= track >= 0
    is_familiar, artist = sets.is_familiar[row, chosen].astype(np.float32), sets.artist[row, chosen]
    stays = ~goes_on[:, None, None]
    artists, familiar = beams.artists[row, beam], beams.familiar[row, beam]
    return _Beams(
        value=np.where(goes_on[:, None], value, beams.value),
        used=used,
        last=np.where(goes_on[:, None], track, beams.last),
        artists=np.where(stays, artists, np.concatenate([artist[:, :, None], artists[:, :, :-1]], axis=2)),
        familiar=np.where(stays, familiar, np.concatenate([is_familiar[:, :, None], familiar[:, :, :-1]], axis=2)),
        place=np.concatenate([beams.place[row, beam], track[:, :, None]], axis=2),
        relaxed=beams.relaxed[row, beam] | relaxed[:, None],
    )


def _best(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and values of the k highest values of each row, the highest first, ties by column.

    Where fewer than k are finite, the others are -inf, of any column.
    """
    left, row = values.copy(), np.arange(len(values))
    columns, found = np.zeros((len(values), k), dtype=np.int64), np.zeros((len(values), k), dtype=values.dtype)
    for place in range(k):
        columns[:, place] = left.argmax(axis=1)
        found[:, place] = left[row, columns[:, place]]
        left[row, columns[:, place]] = _IMPOSSIBLE
    return columns, found
