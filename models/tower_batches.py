"""From sequences to batches: some tracks of each are hidden, to be predicted from the rest (Taylor, Cloze, 1953).

sequence, newest first   a b c d e f       hidden: b e      user tower sees: a c . f (d fell to dropout)
pairs                    (row of the sequence, b), (row of the sequence, e)
candidates               all hidden tracks of the batch, and uniformly drawn ones

What comes after is not set apart from what came before: in 30Music both ways together predict the coming week better
(recall@500 of discoveries .253 against .248), as BERT4Rec (Sun et al., CIKM 2019) found for the next item.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from models.tower_contract import Sequences, TowerOptions

Batch = Mapping[str, np.ndarray]


def batches(
    sequences: Sequences, drawable: np.ndarray, hidden_share: np.ndarray, options: TowerOptions, epoch: int
) -> Iterator[Batch]:
    """Yield every sequence once, in an order that follows from (seed, epoch).

    drawable: int [M], the tracks that uniform negatives are drawn from; hidden_share: float64 [N], see hidden_shares().
    """
    rng = np.random.default_rng((options.seed, epoch))
    order = rng.permutation(len(sequences))
    for start in range(0, len(order), options.batch_size):
        batch = make_batch(
            sequences.take(order[start : start + options.batch_size]), drawable, hidden_share, options, rng
        )
        if len(batch["row"]):
            yield batch


def make_batch(
    users: Sequences, drawable: np.ndarray, hidden_share: np.ndarray, options: TowerOptions, rng: np.random.Generator
) -> Batch:
    """Hide, drop, draw.

    present: int32 [M], the distinct codes; tracks, frequent, code: places among them, -1 where there is none.
    row: int32 [P], whose pair it is; the first P of `code` are the hidden tracks. shown: 0 where an id is hidden.
    probability: float32 [C], how often a track is drawn as a candidate, over the most frequent: TFRS clips small ones.
    """
    is_there = users.tracks >= 0
    drawn = np.where(is_there, rng.random(users.tracks.shape, dtype=np.float32), 2)
    quota = quotas(is_there, options.num_hidden)[:, None]
    is_hidden = drawn.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") < quota
    row, place = np.nonzero(is_hidden)
    row, hidden = distinct_pairs(row, users.tracks[row, place])
    keep = rng.random(users.tracks.shape, dtype=np.float32) >= options.dropout
    tracks = compacted(np.where(keep & ~among(users.tracks, row, hidden), users.tracks, -1))
    keep = rng.random(users.frequent.shape, dtype=np.float32) >= options.dropout
    frequent = compacted(np.where(keep & ~among(users.frequent, row, hidden), users.frequent, -1))
    uniform = drawable[rng.integers(len(drawable), size=options.num_negatives)]
    code = np.concatenate([hidden, uniform])
    present, places = np.unique(np.concatenate([[0], tracks.ravel(), frequent.ravel(), code]), return_inverse=True)
    first = int(present[0] < 0)
    places = places[1:] - first
    expected = len(hidden) * hidden_share[code] + options.num_negatives / len(drawable)
    return {
        "present": present[first:].astype(np.int32),
        "tracks": places[: tracks.size].reshape(tracks.shape).astype(np.int32),
        "frequent": places[tracks.size : tracks.size + frequent.size].reshape(frequent.shape).astype(np.int32),
        "rhythm": users.rhythm.astype(np.float32),
        "row": row.astype(np.int32),
        "code": places[tracks.size + frequent.size :].astype(np.int32),
        "shown": (rng.random(len(code)) >= options.id_dropout).astype(np.float32),
        "probability": (expected / expected.max(initial=1e-12)).astype(np.float32),
    }


def hidden_shares(sequences: Sequences, num_tracks: int, num_hidden: int) -> np.ndarray:
    """How often each track is among the hidden ones, as a share of all: float64 [N]."""
    is_there = sequences.tracks >= 0
    share = quotas(is_there, num_hidden) / np.maximum(is_there.sum(axis=1), 1)
    row, place = np.nonzero(is_there)
    key, times = np.unique(row.astype(np.int64) << 32 | sequences.tracks[row, place], return_counts=True)
    # what is played several times in a sequence is drawn if any of its places is, and then once
    chance = 1 - (1 - share[key >> 32]) ** times
    count = np.bincount(key & 0xFFFFFFFF, chance, minlength=num_tracks)
    return np.asarray(count / max(1.0, count.sum()))


def quotas(is_there: np.ndarray, num_hidden: int) -> np.ndarray:
    """How many tracks of each sequence are hidden: at most half of it."""
    return np.minimum(num_hidden, is_there.sum(axis=1) // 2)


def distinct_pairs(row: np.ndarray, track: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep one of each pair, by row and then by track."""
    key = np.unique(row.astype(np.int64) << 32 | track.astype(np.int64))
    return key >> 32, key & 0xFFFFFFFF


def among(tracks: np.ndarray, row: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Whether tracks [S, L] are among the pairs (ascending): bool [S, L]."""
    pairs = row.astype(np.int64) << 32 | track.astype(np.int64)
    keys = np.arange(len(tracks), dtype=np.int64)[:, None] << 32 | tracks.astype(np.int64) & 0xFFFFFFFF
    return np.asarray(np.isin(keys, pairs))


def compacted(tracks: np.ndarray) -> np.ndarray:
    """Move what is there to the front, in its order."""
    return np.take_along_axis(tracks, np.argsort(tracks < 0, axis=1, kind="stable"), axis=1)
