"""Shelves as they could stand on each user's page: whose, which tracks, in what order, held to the caps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.pages.shelves import Shelf
from transforms.tables.groups import descending_bits, rank_in_run

NO_CAP = 1 << 30
# An instance looks at so many of its candidates, the first by its order: more than a usual page uses up.
MAX_MEMBERS = 160


@dataclass(frozen=True)
class CapGroups:
    """Members whose instance has more of their artist, or of their album, than it may show.

    member, group, most: int [R], of the number of the instance and artist that they share (ascending, best first in a
    group), and how many of the group may be shown. first: int [S + 1], where those of each instance begin.
    """

    member: np.ndarray
    group: np.ndarray
    most: np.ndarray
    first: np.ndarray

    def surplus(self, of: np.ndarray, is_free: np.ndarray, left: np.ndarray | None) -> np.ndarray:
        """Members of some instances that are too many of their group among the free; `left` [M] holds them to less."""
        rival = join_spans(self.first, of)
        rival = rival[is_free[self.member[rival]]]
        member, most = self.member[rival], self.most[rival]
        if left is not None:
            most = np.minimum(most, left[member])
        return member[rank_in_run(self.group[rival]) >= most]


@dataclass(frozen=True)
class ShelfInstances:
    """Each user's instances of each shelf, and their members: the candidates that they could show, best first.

    user, entry, code: int [S], whose instance of which shelf, and of what; in order of entry, user, code.
    first: int [S + 1], where the members of each begin.
    instance, row: int [M], of a member: its instance (ascending) and its candidate; order: float64 [M], see Shelf.
    albums, artists: the members held by a cap.
    """

    user: np.ndarray
    entry: np.ndarray
    code: np.ndarray
    first: np.ndarray
    instance: np.ndarray
    row: np.ndarray
    order: np.ndarray
    albums: CapGroups
    artists: CapGroups

    def members(self, of: np.ndarray) -> np.ndarray:
        """All members of some instances."""
        return join_spans(self.first, of)

    def heads(
        self, of: np.ndarray, is_there: np.ndarray, most: np.ndarray, left: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the first `most` [S] members that are there (bool [M]) under the caps, and their ranks.

        of: the instances to look at, ascending; left: int [N], of how many more tracks by a candidate's artist the page
        may hold.
        """
        members = self.members(of)
        is_free = np.zeros(len(is_there), dtype=bool)
        is_free[members] = is_there[members]
        is_free[self.albums.surplus(of, is_free, None)] = False
        is_free[self.artists.surplus(of, is_free, None if left is None else left[self.row])] = False
        members = members[is_free[members]]
        instance = self.instance[members]
        rank = rank_in_run(instance)
        is_shown = rank < most[instance]
        return members[is_shown], rank[is_shown]


def find_instances(
    candidates: pl.DataFrame, user: np.ndarray, artist: np.ndarray, shelves: Sequence[Shelf], page_cap: np.ndarray
) -> ShelfInstances:
    """Sort the candidates into the instances of the shelves.

    user, artist: int [N], numbers of users, and of pairs of a user and an artist; page_cap [U]: tracks by one artist on
    a page.
    """
    asked = candidates.select(
        pl.struct(where=_where(shelf), order=shelf.order.cast(pl.Float32), code=_code(shelf)).alias(shelf.id)
        for shelf in shelves
    )
    found = [_members(asked[shelf.id].struct.unnest(), user, shelf) for shelf in shelves]
    sizes = [len(rows) for rows, _, _ in found]
    row, code, order = (np.concatenate(columns) for columns in zip(*found, strict=True))
    entry = np.repeat(np.arange(len(shelves), dtype=np.int32), sizes)
    starts, instance = find_runs(entry, user[row], code)
    owner, entry, code = user[row[starts]], entry[starts], code[starts]
    artist_cap, album_cap = (
        np.array([getattr(shelf, name) or NO_CAP for shelf in shelves], dtype=np.int32)[entry]
        for name in ("max_artist_tracks", "max_album_tracks")
    )
    # where a page has a cap, what is left of it falls below that of the shelf: any two of an artist may be rivals
    on_page = page_cap[owner]
    watched = np.where(on_page < NO_CAP, 1, artist_cap)
    return ShelfInstances(
        owner,
        entry,
        code,
        np.append(starts, len(row)),
        instance,
        row,
        order,
        _rivals(instance, row, album_cap, album_cap, number_pairs(user, candidates["album"])),
        _rivals(instance, row, np.minimum(artist_cap, on_page), watched, artist),
    )


def _code(shelf: Shelf) -> pl.Expr:
    return pl.col(shelf.instance) if shelf.instance else pl.lit(0, dtype=pl.Int32)


def _where(shelf: Shelf) -> pl.Expr:
    is_meant = shelf.where & (pl.col("user_plays") >= shelf.min_history) & _code(shelf).is_not_null()
    return is_meant.fill_null(False)


def _members(asked: pl.DataFrame, user: np.ndarray, shelf: Shelf) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, codes and order of what an entry could show, by user, code and order; asked: where, order, code."""
    row = np.flatnonzero(asked["where"].to_numpy()).astype(np.int32)
    order = asked["order"].to_numpy()[row]
    by_order = stable_order(user[row], descending_bits(order + np.float32(0)))
    row, order = row[by_order], order[by_order]
    codes = np.zeros(len(row), dtype=np.int32)
    if shelf.instance:
        codes = asked["code"].fill_null(0).to_numpy()[row].astype(np.int32)
        by_code = stable_order(user[row], codes)
        row, codes, order = row[by_code], codes[by_code], order[by_code]
    is_near = rank_in_run(find_runs(user[row], codes)[1]) < MAX_MEMBERS
    return row[is_near], codes[is_near], order[is_near].astype(np.float64)


def _rivals(
    instance: np.ndarray, row: np.ndarray, most: np.ndarray, watched: np.ndarray, pair: np.ndarray
) -> CapGroups:
    """See Rivals: members of groups with more than `watched` [S], of which `most` [S]; `pair` [N] as of pairs_of()."""
    # few members are in question: sorting all of them would take most of the time of the stage
    n_of_pair = np.bincount(pair + 1, minlength=1)
    n_of_pair[0] = 0
    members = np.flatnonzero(n_of_pair[pair + 1].astype(np.int32)[row] > watched[instance])
    of, maker = instance[members], pair[row[members]]
    order = stable_order(of, maker)
    members, of = members[order], of[order]
    _, group = find_runs(of, maker[order])
    is_rival = np.bincount(group)[group] > watched[of]
    members, of, group = members[is_rival], of[is_rival], group[is_rival]
    return CapGroups(members, group, most[of], np.searchsorted(of, np.arange(len(most) + 1)))


def number_pairs(user: np.ndarray, codes: pl.Series) -> np.ndarray:
    """Number the pairs of a user and a code that occur: int32 [N], -1 where the code is null."""
    code = codes.fill_null(-1).to_numpy()
    known = np.flatnonzero(code >= 0)
    known = known[stable_order(user[known], code[known])]
    pair = np.full(len(code), -1, dtype=np.int32)
    pair[known] = find_runs(user[known], code[known])[1]
    return pair


def find_runs(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find where any of the keys changes: the start of each run of equal rows, and each row's number of its run."""
    changes = np.zeros(len(keys[0]), dtype=bool)
    changes[:1] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changes).astype(np.int32), np.cumsum(changes, dtype=np.int32) - 1


def join_spans(first: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Join the numbers from first[i] up to first[i + 1], for each i of `of`."""
    begin, size = first[of], first[of + 1] - first[of]
    ends = np.cumsum(size)
    return np.arange(ends[-1] if len(of) else 0) + np.repeat(begin - (ends - size), size)


def stable_order(major: np.ndarray, minor: np.ndarray) -> np.ndarray:
    """Order by two keys of 32 bits, none negative; equal rows keep theirs. Several times as fast as np.lexsort.

    Both keys and the place are sorted as one number where they fit: faster again by half than to sort places by keys.
    """
    minor_bits, place_bits = (int(most).bit_length() for most in (minor.max(initial=0), len(minor)))
    pair = (major.astype(np.uint64) << np.uint64(minor_bits)) | minor.astype(np.uint64)
    if int(major.max(initial=0)).bit_length() + minor_bits + place_bits > 64:
        return np.argsort(pair, kind="stable")
    numbers = (pair << np.uint64(place_bits)) | np.arange(len(minor), dtype=np.uint64)
    numbers.sort()
    return (numbers & np.uint64((1 << place_bits) - 1)).view(np.int64)
