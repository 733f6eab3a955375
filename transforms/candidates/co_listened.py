"""Item-item continuation: what is heard near the tracks that users listened to, as sparse products of blocks."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from transforms.catalog.catalog import Catalog
from transforms.catalog.top_k import MAX_ROWS_PER_BLOCK, top_k_of_rows
from transforms.tables.groups import rank_in_run

# Of so many seeds, the strongest, one is named as the reason.
NAMED_SEEDS = 5
_USERS_PER_BLOCK = MAX_ROWS_PER_BLOCK


class Seeds(NamedTuple):
    """Tracks from which to look: place of the user, code, weight; by user, strongest first."""

    user: np.ndarray
    track: np.ndarray
    weight: np.ndarray


class Pairs(NamedTuple):
    """Users and tracks."""

    user: np.ndarray
    track: np.ndarray


class CoListened(NamedTuple):
    """What is near users' tracks, by user and then best first.

    user: place; track: code; score: above 0; because: the seed that says most of it, -1 if none of the strongest does.
    """

    user: np.ndarray
    track: np.ndarray
    score: np.ndarray
    seed_track: np.ndarray


def find_co_listened(
    seeds: Seeds, heard: Pairs, catalog: Catalog, num_users: int, num_unheard: int, num_heard: int
) -> tuple[CoListened, CoListened]:
    """Sum over a user's seeds of weight times similarity: the best unheard tracks, and the best of those heard.

    seeds, heard: by user.
    """
    parts: tuple[list[CoListened], list[CoListened]] = ([], [])
    for start in range(0, num_users, _USERS_PER_BLOCK):
        low, high = np.searchsorted(seeds.user, [start, start + _USERS_PER_BLOCK])
        first, last = np.searchsorted(heard.user, [start, start + _USERS_PER_BLOCK])
        block = Seeds(seeds.user[low:high] - start, seeds.track[low:high], seeds.weight[low:high])
        sums = _sums(block, catalog)
        known = sums.multiply(_ones(heard.user[first:last] - start, heard.track[first:last], sums.shape)).tocsr()
        for matrix, most, found in zip((sums - known, known), (num_unheard, num_heard), parts, strict=True):
            row, track, score = _best(matrix.tocsr(), most)
            found.append(CoListened(row + start, track, score, _strongest_seed(block, catalog, row, track)))
    nothing = CoListened(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int32))
    unheard, again = (CoListened(*map(np.concatenate, zip(nothing, *found, strict=True))) for found in parts)
    return unheard, again


def _sums(seeds: Seeds, catalog: Catalog) -> csr_matrix:
    """[USERS_PER_BLOCK, N]; only the rows of seeds that occur are taken, not the matrix of all tracks."""
    present, place = np.unique(seeds.track, return_inverse=True)
    weights = csr_matrix((seeds.weight.astype(np.float32), (seeds.user, place)), shape=(_USERS_PER_BLOCK, len(present)))
    near, similar = catalog.neighbours[present], catalog.similarities[present]
    row, column = np.nonzero(near >= 0)
    shape = (len(present), len(catalog.tracks))
    return (weights @ csr_matrix((similar[row, column], (row, near[row, column])), shape=shape)).tocsr()


def _best(sums: csr_matrix, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The highest of each row that are above 0, by row and then by score."""
    sums.sort_indices()
    row = np.repeat(np.arange(_USERS_PER_BLOCK), np.diff(sums.indptr))
    is_left = sums.data > 0
    row, track, score = top_k_of_rows(row[is_left], sums.indices[is_left], sums.data[is_left], most)
    return row, track.astype(np.int64), score


def _strongest_seed(seeds: Seeds, catalog: Catalog, row: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Of the user's strongest seeds the one that says most of each proposal, -1 where none says anything: int32."""
    user, seed, weight = seeds
    key = row << 32 | track
    order = np.argsort(key)
    ordered = key[order]
    most = np.zeros(len(key), dtype=np.float32)
    seed_track = np.full(len(key), -1, dtype=np.int32)
    place = rank_in_run(user)
    for number in range(NAMED_SEEDS if len(key) else 0):
        chosen = np.flatnonzero(place == number)
        near = catalog.neighbours[seed[chosen]]
        value = (catalog.similarities[seed[chosen]] * weight[chosen, None]).astype(np.float32)
        named = user[chosen][:, None].astype(np.int64) << 32 | near
        found = np.minimum(np.searchsorted(ordered, named), len(ordered) - 1)
        is_proposed = (near >= 0) & (ordered[found] == named)
        target, value = order[found[is_proposed]], value[is_proposed]
        causes = np.broadcast_to(seed[chosen][:, None], near.shape)[is_proposed]
        is_more = value > most[target]
        most[target[is_more]], seed_track[target[is_more]] = value[is_more], causes[is_more]
    return seed_track


def _ones(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    return csr_matrix((np.ones(len(row), dtype=np.float32), (row, column)), shape=shape)
