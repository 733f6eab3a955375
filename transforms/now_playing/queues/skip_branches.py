"""Branches of queues: what comes next when a track was skipped, by the search that put the queues in order.

All before the skipped track counts as listened to. What is left of the queue is put in order anew, under the same
rules. The step to the next track is that from the last one that was listened to. The search likes tracks in the order
that they had; likeness to the skipped one counts against a track as much as a step of the same size, and tracks by its
artist come last. All this counts most for the next tracks. An album goes on as it is.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.now_playing.queues.build_sets import distances, order_weights
from transforms.now_playing.queues.order_queues import OrderWeights, Sets, order_queues
from transforms.now_playing.queues.queue_tables import MIN_ARTIST_DISTANCE, SHARE_WINDOW, TRACK
from transforms.now_playing.skips.skip_features import SKIP_FEATURES, STEP
from transforms.now_playing.skips.skip_model import OrderModel
from transforms.tables.groups import rank_in_run

_WIDTH, _BLOCK = 8, 128
# Worth of a place of the queue as it was, and what counts against tracks by the skipped artist: more than all places.
_PLACE, _SKIPPED_ARTIST = 0.1, 5.0
_LEAST_CHANCE = 1e-4


class TrackVectors(NamedTuple):
    """Of N tracks: ids; artist, -1: unknown; vectors of unit length [N, V]."""

    ids: pl.Series
    artist: np.ndarray
    vector: np.ndarray


@dataclass(frozen=True)
class _Queues:
    """Q queues of at most L tracks, after the track that they start from.

    artist: int [Q, 1 + L], -1: unknown, -2: nothing is there. is_familiar, is_context: bool [Q, L]. log_odds: of a skip
    [Q, L], of the track by itself. distance [Q, 1 + L, 1 + L]. size, familiar_per_10: int [Q].
    """

    artist: np.ndarray
    is_familiar: np.ndarray
    is_context: np.ndarray
    log_odds: np.ndarray
    distance: np.ndarray
    size: np.ndarray
    familiar_per_10: np.ndarray


def skip_branches(
    queues: pl.DataFrame, tracks: TrackVectors, model: OrderModel, num_skips: int
) -> list[list[list[int]]]:
    """Return for each of QUEUES and a skip at each of its first tracks the places of what comes next, in order."""
    weights, usual = order_weights(model, 1.0, 0.0), float(model.mean[SKIP_FEATURES.index(STEP)])
    branches: list[list[list[int]]] = [[] for _ in range(len(queues))]
    # long albums together: arrays are as wide as the longest queue
    by_size = queues["tracks"].list.len().arg_sort().to_list()
    for start in range(0, len(queues), _BLOCK):
        block = by_size[start : start + _BLOCK]
        found = _read(queues[block], tracks, weights, usual)
        for skipped in range(min(num_skips, int(found.size.max()))):
            places = _follow(found, skipped, weights, usual)
            for number in np.flatnonzero(found.size > skipped):
                branches[block[number]].append([int(place) for place in places[number] if place >= 0])
    return branches


def _read(queues: pl.DataFrame, tracks: TrackVectors, weights: OrderWeights, usual: float) -> _Queues:
    """Return queues as arrays; what order adds to the published chances of a skip is taken out again."""
    rows = queues.select("tracks").with_row_index("queue").explode("tracks", empty_as_null=False).unnest("tracks")
    cards = rows.with_columns(is_context=pl.col("source") == "context")
    queue = cards["queue"].to_numpy().astype(np.int64)
    place = rank_in_run(queue)
    size = np.bincount(queue, minlength=len(queues))
    shape = (len(queues), 1 + int(size.max()))
    starts = queues.select(track_id=pl.when(pl.col("context") == TRACK).then("context_id"))
    code = np.full(shape, -1)
    code[:, 0] = _codes(starts, tracks)
    code[queue, 1 + place] = _codes(cards.select("track_id"), tracks)
    is_there = code >= 0
    artist = np.where(is_there, tracks.artist[np.maximum(code, 0)], -2)
    vector = np.where(is_there[:, :, None], tracks.vector[np.maximum(code, 0)], np.float32(0))
    distance = distances(vector, vector, usual)

    def padded(name: str) -> np.ndarray:
        values = np.zeros((shape[0], shape[1] - 1))
        values[queue, place] = cards[name].to_numpy()
        return values

    chance = np.clip(padded("p_skipped"), _LEAST_CHANCE, 1 - _LEAST_CHANCE)
    places = np.arange(1, shape[1])
    step = np.where(is_there[:, :-1], distance[:, places - 1, places] - usual, 0.0)
    before = [artist[:, np.maximum(places - back, 0)] for back in range(1, MIN_ARTIST_DISTANCE + 1)]
    same = sum((one == artist[:, 1:]) & (artist[:, 1:] >= 0) & (places >= back) for back, one in enumerate(before, 1))
    return _Queues(
        artist=artist,
        is_familiar=padded("is_familiar") > 0,
        is_context=padded("is_context") > 0,
        log_odds=np.log(chance / (1 - chance)) - weights.step * step - weights.artist_recent * same,
        distance=distance,
        size=size,
        familiar_per_10=queues["familiar_per_10"].to_numpy(),
    )


def _codes(rows: pl.DataFrame, tracks: TrackVectors) -> np.ndarray:
    codes = tracks.ids.alias("track_id").to_frame().with_row_index("track").cast({"track": pl.Int64})
    return rows.join(codes, on="track_id", how="left", maintain_order="left")["track"].fill_null(-1).to_numpy()


def _follow(queues: _Queues, skipped: int, weights: OrderWeights, usual: float) -> np.ndarray:
    """Return the places of what comes after a skip, -1 where nothing is: int [Q, L]."""
    num_queues, length = queues.log_odds.shape
    row, place = np.arange(num_queues), np.arange(length)
    is_there = place < queues.size[:, None]
    # what stands before the tracks that are put in order: what was played, and the rest of an album
    num_fixed = np.maximum(skipped + 1, queues.is_context.sum(axis=1))
    heard = np.where(num_fixed == skipped + 1, skipped, num_fixed)  # 0 is the start
    # the newest first; a place of the queue is 1 less
    last = num_fixed[:, None] - np.arange(SHARE_WINDOW - 1)
    is_known = (last >= 1) & ~queues.is_context[row[:, None], np.maximum(last - 1, 0)]
    familiar = queues.is_familiar[row[:, None], np.maximum(last - 1, 0)]
    near = last[:, :MIN_ARTIST_DISTANCE]
    like = queues.distance[:, 1 + skipped, 1:] - usual
    by_artist = (queues.artist[:, 1:] == queues.artist[:, [1 + skipped]]) & (queues.artist[:, 1:] >= 0)
    liking = (weights.step * like - _SKIPPED_ARTIST * by_artist - _PLACE * place).astype(np.float32)
    is_left = is_there & (place >= num_fixed[:, None])
    is_start_known = (heard > 0) | (queues.artist[:, 0] != -2)
    sets = Sets(
        is_there=is_left,
        is_familiar=queues.is_familiar,
        artist=queues.artist[:, 1:],
        log_odds=queues.log_odds.astype(np.float32),
        distance=queues.distance[:, 1:, 1:],
        first_distance=np.where(is_start_known[:, None], queues.distance[row, heard, 1:], 0).astype(np.float32),
        context_liking=liking,
        own_liking=np.zeros_like(liking),
        last_artist=np.where(near >= 0, queues.artist[row[:, None], np.maximum(near, 0)], -1),
        last_familiar=np.where(is_known, familiar, np.nan).astype(np.float32),
        familiar_per_10=queues.familiar_per_10,
    )
    ordered = order_queues(sets, weights, int(is_left.sum(axis=1).max()), _WIDTH).place
    goes_on = np.where((place > skipped) & (place < num_fixed[:, None]) & is_there, place, -1)
    return np.concatenate([goes_on, ordered], axis=1)
