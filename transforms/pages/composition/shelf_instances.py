"""Shelf instances that each user's page could hold: whose, which tracks, in what order, and their caps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.pages.composition.runs import find_runs, join_spans, stable_order
from transforms.pages.rules.constraints import NO_CAP
from transforms.pages.shelves.shelf import Shelf
from transforms.tables.groups import descending_bits, rank_in_run

# Candidates that an instance considers, the first in its order: more than a usual page uses up.
_MAX_MEMBERS = 160


@dataclass(frozen=True)
class CapGroups:
    """Members whose instance has more tracks of their artist, or of their album, than it may show.

    member, group: int [R], a member and the number of its group, which is an instance together with an artist or album;
    ascending by group, in a group the best first. cap: int [R], how many of the group may be shown. first: int [S + 1],
    where the rows of each instance begin.
    """

    member: np.ndarray
    group: np.ndarray
    cap: np.ndarray
    first: np.ndarray

    def surplus(self, instances: np.ndarray, is_free: np.ndarray, allowance: np.ndarray | None) -> np.ndarray:
        """Return the free members of some instances that exceed the cap of their group; `allowance` [M] lowers it."""
        row = join_spans(self.first, instances)
        row = row[is_free[self.member[row]]]
        member, cap = self.member[row], self.cap[row]
        if allowance is not None:
            cap = np.minimum(cap, allowance[member])
        return member[rank_in_run(self.group[row]) >= cap]

    def better_member(self, member: int, is_free: np.ndarray) -> int | None:
        """Return the member that fills the cap of a member's group before it; None: the cap leaves room for it."""
        rows = np.flatnonzero(self.member == member)
        if not len(rows):
            return None
        group = self.member[(self.group == self.group[rows[0]]) & is_free[self.member]]
        rank, cap = int(np.flatnonzero(group == member)[0]), int(self.cap[rows[0]])
        return int(group[cap - 1]) if rank >= cap else None


@dataclass(frozen=True)
class ShelfInstances:
    """Instances [S] of shelves on users' pages, and their members [M]: the candidates that they could show.

    user, shelf_index, code: int [S], whose instance of which shelf, and its value of the shelf's instance column; in
    order of shelf_index, user, code. first: int [S + 1], where the members of each instance begin.
    instance, row: int [M], a member's instance (ascending) and candidate, the best first. order: float64 [M], see
    Shelf.
    albums, artists: the members that a cap could exclude.
    """

    user: np.ndarray
    shelf_index: np.ndarray
    code: np.ndarray
    first: np.ndarray
    instance: np.ndarray
    row: np.ndarray
    order: np.ndarray
    albums: CapGroups
    artists: CapGroups

    def members(self, instances: np.ndarray) -> np.ndarray:
        """Return all members of some instances."""
        return join_spans(self.first, instances)

    def top(
        self, instances: np.ndarray, is_free: np.ndarray, limit: np.ndarray, allowance: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the first `limit` [S] free members (bool [M]) of some instances under the caps, and their ranks.

        instances: ascending. allowance: int [N], how many more tracks by a candidate's artist its page may hold.
        """
        members = self.members(instances)
        is_left = np.zeros(len(is_free), dtype=bool)
        is_left[members] = is_free[members]
        is_left[self.albums.surplus(instances, is_left, None)] = False
        by_member = None if allowance is None else allowance[self.row]
        is_left[self.artists.surplus(instances, is_left, by_member)] = False
        members = members[is_left[members]]
        instance = self.instance[members]
        rank = rank_in_run(instance)
        is_shown = rank < limit[instance]
        return members[is_shown], rank[is_shown]


def find_instances(
    candidates: pl.DataFrame, user: np.ndarray, artist: np.ndarray, shelves: Sequence[Shelf], artist_cap: np.ndarray
) -> ShelfInstances:
    """Sort the candidates into the instances of the shelves.

    user, artist: int [N], numbers of users, and of pairs of a user and an artist. artist_cap: int [U], how many tracks
    by one artist each page may hold.
    """
    facts = candidates.select(
        pl.struct(where=_where(shelf), order=shelf.order.cast(pl.Float32), code=shelf.instance_code()).alias(shelf.id)
        for shelf in shelves
    )
    found = [_members(facts[shelf.id].struct.unnest(), user, shelf) for shelf in shelves]
    sizes = [len(rows) for rows, _, _ in found]
    row, code, order = (np.concatenate(columns) for columns in zip(*found, strict=True))
    shelf_index = np.repeat(np.arange(len(shelves), dtype=np.int32), sizes)
    starts, instance = find_runs(shelf_index, user[row], code)
    owner, shelf_index, code = user[row[starts]], shelf_index[starts], code[starts]
    on_shelf = np.array([shelf.max_artist_tracks or NO_CAP for shelf in shelves], dtype=np.int32)[shelf_index]
    on_album = np.array([shelf.max_album_tracks or NO_CAP for shelf in shelves], dtype=np.int32)[shelf_index]
    on_page = artist_cap[owner]
    # where a page has a cap, what is left of it falls below that of the shelf: any two tracks of an artist may compete
    watched = np.where(on_page < NO_CAP, 1, on_shelf)
    return ShelfInstances(
        owner,
        shelf_index,
        code,
        np.append(starts, len(row)),
        instance,
        row,
        order,
        _cap_groups(instance, row, on_album, on_album, number_pairs(user, candidates["album"])),
        _cap_groups(instance, row, np.minimum(on_shelf, on_page), watched, artist),
    )


def _where(shelf: Shelf) -> pl.Expr:
    is_meant = shelf.where & (pl.col("user_plays") >= shelf.min_history) & shelf.instance_code().is_not_null()
    return is_meant.fill_null(False)


def _members(facts: pl.DataFrame, user: np.ndarray, shelf: Shelf) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, codes and order of what a shelf could show, by user, code and order; facts: where, order, code."""
    row = np.flatnonzero(facts["where"].to_numpy()).astype(np.int32)
    order = facts["order"].to_numpy()[row]
    # -0.0 becomes 0.0
    by_order = stable_order(user[row], descending_bits(order + np.float32(0)))
    row, order = row[by_order], order[by_order]
    codes = np.zeros(len(row), dtype=np.int32)
    if shelf.instance:
        codes = facts["code"].fill_null(0).to_numpy()[row].astype(np.int32)
        by_code = stable_order(user[row], codes)
        row, codes, order = row[by_code], codes[by_code], order[by_code]
    is_near = rank_in_run(find_runs(user[row], codes)[1]) < _MAX_MEMBERS
    return row[is_near], codes[is_near], order[is_near].astype(np.float64)


def _cap_groups(
    instance: np.ndarray, row: np.ndarray, cap: np.ndarray, watched: np.ndarray, pair: np.ndarray
) -> CapGroups:
    """Return the groups with more than `watched` [S] members, of which `cap` [S] may be shown; pair: int [N]."""
    # few members are in question: sorting all of them would take most of the time of the stage
    n_of_pair = np.bincount(pair + 1, minlength=1)
    n_of_pair[0] = 0
    members = np.flatnonzero(n_of_pair[pair + 1].astype(np.int32)[row] > watched[instance])
    of, maker = instance[members], pair[row[members]]
    order = stable_order(of, maker)
    members, of = members[order], of[order]
    _, group = find_runs(of, maker[order])
    is_capped = np.bincount(group)[group] > watched[of]
    members, of, group = members[is_capped], of[is_capped], group[is_capped]
    return CapGroups(members, group, cap[of], np.searchsorted(of, np.arange(len(cap) + 1)))


def number_pairs(user: np.ndarray, codes: pl.Series) -> np.ndarray:
    """Number the pairs of a user and a code that occur: int32 [N], -1 where the code is null."""
    code = codes.fill_null(-1).to_numpy()
    known = np.flatnonzero(code >= 0)
    known = known[stable_order(user[known], code[known])]
    pair = np.full(len(code), -1, dtype=np.int32)
    pair[known] = find_runs(user[known], code[known])[1]
    return pair
