"""Shelves as they could stand on each user's page: whose, which tracks, in what order, held to the artist caps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from transforms.shelves import Shelf


@dataclass(frozen=True)
class Instances:
    """Each user's instances of each shelf, and their members: the candidates that they could show, best first.

    user, entry, max_artist_tracks: int [S], whose instance of which shelf; in order of entry, user, code.
    instance, row: int [M], of a member: its instance (ascending) and its candidate.
    rivals, group: int [R], the members whose instance has more of their artist than it may show, and the number of the
        instance and artist that they share (ascending); best first in a group.
    """

    user: np.ndarray
    entry: np.ndarray
    max_artist_tracks: np.ndarray
    instance: np.ndarray
    row: np.ndarray
    rivals: np.ndarray
    group: np.ndarray

    def keep(self, is_kept: np.ndarray) -> "Instances":
        """Drop the other members (bool [M]); the instances stay."""
        is_rival, place = is_kept[self.rivals], np.cumsum(is_kept, dtype=np.int32) - 1
        rivals, group = place[self.rivals[is_rival]], self.group[is_rival]
        return replace(self, instance=self.instance[is_kept], row=self.row[is_kept], rivals=rivals, group=group)

    def heads(self, shelf_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the members that each instance would show, and their ranks on it."""
        most = self.max_artist_tracks[self.instance[self.rivals]]
        is_free = np.ones(len(self.row), dtype=bool)
        is_free[self.rivals[place_in_run(self.group) >= most]] = False
        members = np.flatnonzero(is_free)
        rank = place_in_run(self.instance[members])
        return members[rank < shelf_size], rank[rank < shelf_size]


def find_instances(
    candidates: pl.DataFrame, user: np.ndarray, is_free: np.ndarray, shelves: Sequence[Shelf], tier: Sequence[int]
) -> Instances:
    """Sort the free candidates into the instances of the shelves whose entries are in the tier."""
    found = [_members(candidates, user, is_free, shelves[entry]) for entry in tier]
    sizes = [len(rows) for rows, _ in found]
    row, code = (np.concatenate(columns).astype(np.int32) for columns in zip(*found, strict=True))
    entry = np.repeat(np.array(tier, dtype=np.int32), sizes)
    most = np.repeat(np.array([shelves[entry].max_artist_tracks for entry in tier], dtype=np.int32), sizes)
    starts, instance = runs(entry, user[row], code)
    rivals, group = _rivals(instance, row, most, user, candidates["artist"])
    return Instances(user[row[starts]], entry[starts], most[starts], instance, row, rivals, group)


def _members(
    candidates: pl.DataFrame, user: np.ndarray, is_free: np.ndarray, shelf: Shelf
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and codes of what an entry could show, by user, code and order."""
    code = pl.col(shelf.instance) if shelf.instance else pl.lit(0, dtype=pl.Int32)
    asked = candidates.select(where=shelf.where & code.is_not_null(), order=shelf.order.cast(pl.Float32), code=code)
    row = np.flatnonzero(asked["where"].to_numpy() & is_free)
    row = row[stable_order(user[row], largest_first(asked["order"].to_numpy()[row]))]
    codes = asked["code"].fill_null(0).to_numpy()[row]
    by_code = stable_order(user[row], codes)
    return row[by_code], codes[by_code]


def _rivals(
    instance: np.ndarray, row: np.ndarray, most: np.ndarray, user: np.ndarray, artist: pl.Series
) -> tuple[np.ndarray, np.ndarray]:
    """See Instances."""
    code = artist.fill_null(-1).to_numpy()
    known = np.flatnonzero(code >= 0)
    known = known[stable_order(user[known], code[known])]
    _, pair = runs(user[known], code[known])
    n_of_artist = np.zeros(len(code), dtype=np.int32)
    n_of_artist[known] = np.bincount(pair)[pair]
    # few members are in question: sorting all of them would take most of the time of the stage
    members = np.flatnonzero((most > 0) & (n_of_artist[row] > most))
    members = members[stable_order(instance[members], code[row[members]])]
    _, group = runs(instance[members], code[row[members]])
    is_rival = np.bincount(group)[group] > most[members]
    return members[is_rival], group[is_rival]


def runs(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find where any of the keys changes: the start of each run of equal rows, and each row's number of its run."""
    changes = np.zeros(len(keys[0]), dtype=bool)
    changes[:1] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changes).astype(np.int32), np.cumsum(changes, dtype=np.int32) - 1


def place_in_run(key: np.ndarray) -> np.ndarray:
    """Count from 0 in each run of equal keys."""
    starts, run = runs(key)
    return np.arange(len(key), dtype=np.int32) - starts[run]


def stable_order(major: np.ndarray, minor: np.ndarray) -> np.ndarray:
    """Order by two keys of 32 bits, none negative; equal rows keep theirs. Several times as fast as np.lexsort."""
    return np.argsort((major.astype(np.uint64) << np.uint64(32)) | minor.astype(np.uint64), kind="stable")


def largest_first(values: np.ndarray) -> np.ndarray:
    """Map float32 to uint32 that sort the other way round."""
    bits = (values + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
    ascending = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return ~(ascending.view(np.uint32) ^ np.uint32(0x80000000))
