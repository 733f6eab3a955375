"""Shelves as they could stand on each user's page: whose, which tracks, in what order, held to the caps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.shelves import Shelf

NO_CAP = 1 << 30
# An instance looks at so many of its candidates, the first by its order: more than a usual page uses up.
DEPTH = 160


@dataclass(frozen=True)
class Rivals:
    """Members whose instance has more of their artist, or of their album, than it may show.

    member, group, most: int [R], of the number of the instance and artist that they share (ascending, best first in a
    group), and how many of the group may be shown.
    """

    member: np.ndarray
    group: np.ndarray
    most: np.ndarray

    def surplus(self, is_free: np.ndarray, left: np.ndarray | None) -> np.ndarray:
        """Members that are too many of their group among the free ones; `left` [M] holds them to less."""
        free = is_free[self.member]
        member, most = self.member[free], self.most[free]
        if left is not None:
            most = np.minimum(most, left[member])
        return member[place_in_run(self.group[free]) >= most]


@dataclass(frozen=True)
class Instances:
    """Each user's instances of each shelf, and their members: the candidates that they could show, best first.

    user, entry, code: int [S], whose instance of which shelf, and of what; in order of entry, user, code.
    instance, row: int [M], of a member: its instance (ascending) and its candidate; order: float64 [M], see Shelf.
    albums, artists: the members held by a cap.
    """

    user: np.ndarray
    entry: np.ndarray
    code: np.ndarray
    instance: np.ndarray
    row: np.ndarray
    order: np.ndarray
    albums: Rivals
    artists: Rivals

    def heads(
        self, is_there: np.ndarray, most: np.ndarray, left: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the first `most` [S] members of each instance that are there (bool [M]) under its caps, and their ranks.

        left: int [N], of how many more tracks by a candidate's artist the page may hold.
        """
        is_free = is_there.copy()
        is_free[self.albums.surplus(is_free, None)] = False
        is_free[self.artists.surplus(is_free, None if left is None else left[self.row])] = False
        members = np.flatnonzero(is_free)
        instance = self.instance[members]
        rank = place_in_run(instance)
        is_shown = rank < most[instance]
        return members[is_shown], rank[is_shown]


def find_instances(
    candidates: pl.DataFrame, user: np.ndarray, shelves: Sequence[Shelf], page_cap: np.ndarray
) -> Instances:
    """Sort the candidates into the instances of the shelves; page_cap [U]: tracks by one artist on a page."""
    found = [_members(candidates, user, shelf) for shelf in shelves]
    sizes = [len(rows) for rows, _, _ in found]
    row, code, order = (np.concatenate(columns) for columns in zip(*found, strict=True))
    entry = np.repeat(np.arange(len(shelves), dtype=np.int32), sizes)
    starts, instance = runs(entry, user[row], code)
    artist_cap, album_cap = (
        np.array([getattr(shelf, name) or NO_CAP for shelf in shelves])[entry]
        for name in ("max_artist_tracks", "max_album_tracks")
    )
    # where a page has a cap, what is left of it falls below that of the shelf: any two of an artist may be rivals
    on_page = page_cap[user[row]]
    watched = np.where(on_page < NO_CAP, 1, artist_cap)
    return Instances(
        user[row[starts]],
        entry[starts],
        code[starts],
        instance,
        row,
        order,
        _rivals(instance, row, album_cap, album_cap, user, candidates["album"]),
        _rivals(instance, row, np.minimum(artist_cap, on_page), watched, user, candidates["artist"]),
    )


def _members(candidates: pl.DataFrame, user: np.ndarray, shelf: Shelf) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, codes and order of what an entry could show, by user, code and order."""
    code = pl.col(shelf.instance) if shelf.instance else pl.lit(0, dtype=pl.Int32)
    where = shelf.where & (pl.col("user_plays") >= shelf.min_history) & code.is_not_null()
    asked = candidates.select(where=where, order=shelf.order.cast(pl.Float32), code=code)
    row = np.flatnonzero(asked["where"].fill_null(False).to_numpy()).astype(np.int32)
    order = asked["order"].to_numpy()[row]
    by_order = stable_order(user[row], largest_first(order))
    row, order = row[by_order], order[by_order]
    codes = asked["code"].fill_null(0).to_numpy()[row].astype(np.int32)
    by_code = stable_order(user[row], codes)
    row, codes, order = row[by_code], codes[by_code], order[by_code].astype(np.float64)
    is_near = place_in_run(runs(user[row], codes)[1]) < DEPTH
    return row[is_near], codes[is_near], order[is_near]


def _rivals(
    instance: np.ndarray, row: np.ndarray, most: np.ndarray, watched: np.ndarray, user: np.ndarray, maker: pl.Series
) -> Rivals:
    """See Rivals: members of groups with more than `watched` [M]; `maker` of each candidate."""
    code = maker.fill_null(-1).to_numpy()
    known = np.flatnonzero(code >= 0)
    known = known[stable_order(user[known], code[known])]
    _, pair = runs(user[known], code[known])
    n_of_maker = np.zeros(len(code), dtype=np.int32)
    n_of_maker[known] = np.bincount(pair)[pair]
    # few members are in question: sorting all of them would take most of the time of the stage
    members = np.flatnonzero(n_of_maker[row] > watched)
    members = members[stable_order(instance[members], code[row[members]])]
    _, group = runs(instance[members], code[row[members]])
    is_rival = np.bincount(group)[group] > watched[members]
    return Rivals(members[is_rival], group[is_rival], most[members][is_rival])


def pairs_of(user: np.ndarray, codes: pl.Series) -> np.ndarray:
    """Number the pairs of a user and a code that occur: int32 [N], -1 where the code is null."""
    code = codes.fill_null(-1).to_numpy()
    known = np.flatnonzero(code >= 0)
    known = known[stable_order(user[known], code[known])]
    pair = np.full(len(code), -1, dtype=np.int32)
    pair[known] = runs(user[known], code[known])[1]
    return pair


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
