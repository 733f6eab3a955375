"""From sequences to batches: some tracks of each are hidden, to be predicted from the rest (Taylor, Cloze, 1953).

sequence, newest first   a b c d e f       hidden: b e      user tower sees: a c . f (d fell to dropout)
pairs                    (row of the sequence, b), (row of the sequence, e)
candidates               all hidden tracks of the batch, and uniformly drawn ones

What comes after is not set apart from what came before: in 30Music both ways together predict the coming week better
(recall@500 of discoveries .253 against .248), as BERT4Rec (Sun et al., CIKM 2019) found for the next item.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from models.towers.contract import Sequences, TowerOptions, TrackContent
from models.towers.tables import Bag, bag_of, shares_of

TowerBatch = Mapping[str, np.ndarray]


def stream_tower_batches(
    sequences: Sequences, content: TrackContent, hidden_share: np.ndarray, options: TowerOptions, epoch: int
) -> Iterator[tuple[TowerBatch, dict[str, Bag]]]:
    """Yield every sequence once, in an order that follows from (seed, epoch): see make_batch().

    With it come vector [M, V] and facts [M, 2] of the tracks that are present, and what these name of the tables.
    hidden_share: float64 [N], see hidden_shares(). Uniform negatives are drawn from the tracks with a play.
    """
    rng = np.random.default_rng((options.seed, epoch))
    order = rng.permutation(len(sequences))
    drawable = np.flatnonzero(content.num_plays > 0).astype(np.int32)
    for start in range(0, len(order), options.batch_size):
        users = sequences.take(order[start : start + options.batch_size])
        present, batch = make_tower_batch(users, drawable, hidden_share, options, rng)
        if len(batch["row"]):
            described = {"vector": content.vector[present], "facts": content.facts[present]}
            yield {**batch, **described}, {name: bag_of(of) for name, of in shares_of(content, present).items()}


def make_tower_batch(
    users: Sequences, drawable: np.ndarray, hidden_share: np.ndarray, options: TowerOptions, rng: np.random.Generator
) -> tuple[np.ndarray, TowerBatch]:
    """Hide, drop, draw: the codes that are present, int32 [M], distinct and ascending, and places among them.

    row: int32 [P], whose pair it is; the first P of `code` are the hidden tracks, then come the uniform ones.
    tracks, frequent: int32 [S, at most L], what the user tower sees, -1 where there is none.
    is_other: bool [S, C], whether a candidate is none of the user's hidden tracks. shown: 0 where an id is hidden.
    probability: float32 [C], how often a track is drawn as a candidate, over the most frequent: TFRS clips small ones.
    """
    row, column = np.nonzero(_hidden_places(users.tracks >= 0, options.num_hidden, rng))
    keeps = [rng.random(seen.shape, dtype=np.float32) >= options.dropout for seen in (users.tracks, users.frequent)]
    uniform = drawable[rng.integers(len(drawable), size=options.num_negatives)]
    # the first of the distinct ones is -1, none
    codes = np.concatenate([[np.int32(-1)], users.tracks.ravel(), users.frequent.ravel(), uniform])
    distinct, places = np.unique(codes, return_inverse=True)
    tracks, frequent, drawn = np.split(places[1:], np.cumsum([users.tracks.size, users.frequent.size]))
    tracks, frequent = tracks.reshape(users.tracks.shape), frequent.reshape(users.frequent.shape)
    row, hidden = _distinct_pairs(row, tracks[row, column])
    is_hidden = np.zeros((len(users), len(distinct)), dtype=bool)
    is_hidden[row, hidden] = True
    tracks, frequent = (_seen_of(found, is_hidden, keep) for found, keep in zip((tracks, frequent), keeps, strict=True))
    code = np.concatenate([hidden, drawn])
    is_present = np.zeros(len(distinct), dtype=bool)
    for used in (tracks, frequent, code):
        is_present[used] = True
    is_present[0] = False
    place = np.where(is_present, np.cumsum(is_present) - 1, -1).astype(np.int32)
    expected = len(hidden) * hidden_share[distinct[code]] + options.num_negatives / len(drawable)
    return distinct[is_present], {
        "tracks": place[tracks],
        "frequent": place[frequent],
        "daypart_histogram": users.daypart_histogram.astype(np.float32),
        "row": row.astype(np.int32),
        "code": place[code],
        "is_other": ~is_hidden[:, code],
        "shown": (rng.random(len(code)) >= options.id_dropout).astype(np.float32),
        "probability": (expected / expected.max(initial=1e-12)).astype(np.float32),
    }


def _hidden_places(is_there: np.ndarray, num_hidden: int, rng: np.random.Generator) -> np.ndarray:
    """Draw quotas() of the places of each sequence: bool [S, L]."""
    drawn = np.where(is_there, rng.random(is_there.shape, dtype=np.float32), np.float32(2))
    first_kept = np.take_along_axis(np.sort(drawn, axis=1), _quotas(is_there, num_hidden)[:, np.newaxis], axis=1)
    return np.asarray(drawn < first_kept)


def _seen_of(tracks: np.ndarray, is_hidden: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Leave out of tracks [S, L] what is none (0), hidden from its user [S, M] or not to keep; the rest moves up."""
    is_seen = keep & (tracks > 0) & ~np.take_along_axis(is_hidden, tracks, axis=1)
    count = is_seen.sum(axis=1)
    row, column = np.nonzero(is_seen)
    seen = np.zeros((len(tracks), count.max(initial=0)), dtype=tracks.dtype)
    seen[row, np.arange(len(row)) - (np.cumsum(count) - count)[row]] = tracks[row, column]
    return seen


def hidden_shares(sequences: Sequences, num_tracks: int, num_hidden: int) -> np.ndarray:
    """How often each track is among the hidden ones, as a share of all: float64 [N]."""
    is_there = sequences.tracks >= 0
    share = _quotas(is_there, num_hidden) / np.maximum(is_there.sum(axis=1), 1)
    row, place = np.nonzero(is_there)
    key, times = np.unique(row.astype(np.int64) << 32 | sequences.tracks[row, place], return_counts=True)
    # what is played several times in a sequence is drawn if any of its places is, and then once
    chance = 1 - (1 - share[key >> 32]) ** times
    count = np.bincount(key & 0xFFFFFFFF, chance, minlength=num_tracks)
    return np.asarray(count / max(1.0, count.sum()))


def _quotas(is_there: np.ndarray, num_hidden: int) -> np.ndarray:
    """How many tracks of each sequence are hidden: at most half of it."""
    return np.minimum(num_hidden, is_there.sum(axis=1) // 2)


def _distinct_pairs(row: np.ndarray, track: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep one of each pair, by row and then by track."""
    key = np.unique(row.astype(np.int64) << 32 | track.astype(np.int64))
    return key >> 32, key & 0xFFFFFFFF
