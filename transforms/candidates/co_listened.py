"""Item-item continuation: the tracks heard near those that users listened to, as sparse products of blocks of users."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from transforms.catalog.catalog import Catalog
from transforms.catalog.top_k import MAX_ROWS_PER_BLOCK, top_k_of_rows
from transforms.tables.groups import rank_in_run

# The seed track that is named as the reason is one of this many strongest seeds of the user.
NAMED_SEEDS = 5
_USERS_PER_BLOCK = MAX_ROWS_PER_BLOCK


class Seeds(NamedTuple):
    """Tracks from which the search starts, by user and then strongest first: arrays [S].

    user: index of the user. track: code. weight: above 0.
    """

    user: np.ndarray
    track: np.ndarray
    weight: np.ndarray


class Pairs(NamedTuple):
    """Pairs of a user (index) and a track (code), by user: int64 [P]."""

    user: np.ndarray
    track: np.ndarray


class CoListened(NamedTuple):
    """Tracks near the users' tracks, by user and then best first: arrays [M].

    user: index of the user. track: code. score: above 0.
    seed_track: the strongest seed that contributes most to the score; -1 where no strong seed contributes.
    """

    user: np.ndarray
    track: np.ndarray
    score: np.ndarray
    seed_track: np.ndarray


def find_co_listened(
    seeds: Seeds, played: Pairs, catalog: Catalog, *, num_users: int, max_unplayed: int, max_played: int
) -> tuple[CoListened, CoListened]:
    """Return the best unplayed and the best played tracks of each user by the sum of seed weight times similarity."""
    parts: tuple[list[CoListened], list[CoListened]] = ([], [])
    for start in range(0, num_users, _USERS_PER_BLOCK):
        low, high = np.searchsorted(seeds.user, [start, start + _USERS_PER_BLOCK])
        first, last = np.searchsorted(played.user, [start, start + _USERS_PER_BLOCK])
        block = Seeds(seeds.user[low:high] - start, seeds.track[low:high], seeds.weight[low:high])
        sums = _sums(block, catalog)
        of_played = sums.multiply(_ones(played.user[first:last] - start, played.track[first:last], sums.shape)).tocsr()
        matrices = (sums - of_played, of_played)
        for matrix, k, found in zip(matrices, (max_unplayed, max_played), parts, strict=True):
            row, track, score = _top_k(matrix.tocsr(), k)
            found.append(CoListened(row + start, track, score, _strongest_seed(block, catalog, row, track)))
    empty = CoListened(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int32))
    of_unplayed, of_played = (CoListened(*map(np.concatenate, zip(empty, *found, strict=True))) for found in parts)
    return of_unplayed, of_played


def _sums(seeds: Seeds, catalog: Catalog) -> csr_matrix:
    """Sum weight times similarity, [_USERS_PER_BLOCK, N]; reads only the neighbours of tracks that are seeds."""
    present, row_of_seed = np.unique(seeds.track, return_inverse=True)
    shape = (_USERS_PER_BLOCK, len(present))
    weights = csr_matrix((seeds.weight.astype(np.float32), (seeds.user, row_of_seed)), shape=shape)
    near, similar = catalog.neighbours[present], catalog.similarities[present]
    row, column = np.nonzero(near >= 0)
    shape = (len(present), len(catalog.tracks))
    return (weights @ csr_matrix((similar[row, column], (row, near[row, column])), shape=shape)).tocsr()


def _top_k(sums: csr_matrix, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, track and score of the k highest sums above 0 of each row, best first."""
    sums.sort_indices()
    row = np.repeat(np.arange(_USERS_PER_BLOCK), np.diff(sums.indptr))
    is_positive = sums.data > 0
    row, track, score = top_k_of_rows(row[is_positive], sums.indices[is_positive], sums.data[is_positive], k)
    return row, track.astype(np.int64), score


def _strongest_seed(seeds: Seeds, catalog: Catalog, row: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Return the seed, of the user's NAMED_SEEDS strongest, that contributes most to each pair; -1: none. int32 [M].

    row, track: int64 [M], the user and the track of each pair.
    """
    user, seed, weight = seeds
    key = row << 32 | track
    order = np.argsort(key)
    ordered = key[order]
    most = np.zeros(len(key), dtype=np.float32)
    strongest = np.full(len(key), -1, dtype=np.int32)
    rank = rank_in_run(user)
    for number in range(NAMED_SEEDS if len(key) else 0):
        chosen = np.flatnonzero(rank == number)
        near = catalog.neighbours[seed[chosen]]
        value = (catalog.similarities[seed[chosen]] * weight[chosen, None]).astype(np.float32)
        near_key = user[chosen][:, None].astype(np.int64) << 32 | near
        found = np.minimum(np.searchsorted(ordered, near_key), len(ordered) - 1)
        is_pair = (near >= 0) & (ordered[found] == near_key)
        target, value = order[found[is_pair]], value[is_pair]
        seed_of_value = np.broadcast_to(seed[chosen][:, None], near.shape)[is_pair]
        is_more = value > most[target]
        most[target[is_more]], strongest[target[is_more]] = value[is_more], seed_of_value[is_more]
    return strongest


def _ones(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    return csr_matrix((np.ones(len(row), dtype=np.float32), (row, column)), shape=shape)
