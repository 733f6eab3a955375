"""What each instance of a shelf would show now, found again only where something went on which it depends."""

import numpy as np

from transforms.pages.shelf_instances import ShelfInstances


class TopSlots:
    """The heads of all instances, and which members are there: a member goes once its track stands on the page.

    is_there, is_head: bool [M]; is_stale: bool [S]; reach: the last member on which a head depends, int [S].
    """

    def __init__(self, found: ShelfInstances, limit: np.ndarray) -> None:
        """Everything is there; `limit` [S]: members that each would show."""
        self.found, self.limit = found, limit
        self.is_there = np.ones(len(found.row), dtype=bool)
        self.is_head = np.zeros(len(found.row), dtype=bool)
        self.is_stale = np.ones(len(limit), dtype=bool)
        self.reach = np.zeros(len(limit), dtype=np.int64)

    def take_away(self, is_used: np.ndarray) -> None:
        """Take rows (bool [N]) from all shelves."""
        gone = np.flatnonzero(self.is_there & is_used[self.found.row])
        self.is_there[gone] = False
        of = self.found.instance[gone]
        self.is_stale[of[gone <= self.reach[of]]] = True

    def of(self, is_open: np.ndarray, is_there: np.ndarray, left: np.ndarray | None) -> np.ndarray:
        """Members that the open instances (bool [S]) would show of what is there under the caps, as Instances.heads().

        Where pages have room for so many of an artist only (`left`), every page changes with every shelf.
        """
        self._look_again(np.flatnonzero(is_open if left is not None else is_open & self.is_stale), is_there, left)
        members = np.flatnonzero(self.is_head)
        return members[is_open[self.found.instance[members]]]

    def _look_again(self, of: np.ndarray, is_there: np.ndarray, left: np.ndarray | None) -> None:
        found = self.found
        members, rank = found.heads(of, is_there, self.limit, left)
        instance = found.instance[members]
        self.is_head[found.members(of)] = False
        self.is_head[members] = True
        # one that is not full depends on all its members
        self.reach[of] = found.first[of + 1]
        is_full = rank == self.limit[instance] - 1
        self.reach[instance[is_full]] = members[is_full]
        self.is_stale[of] = False
