"""The tracks that each shelf instance would show now, found again only where a track that they depend on is gone."""

import numpy as np

from transforms.pages.composition.shelf_instances import ShelfInstances


class TopSlots:
    """The first members of all instances under the caps, and which members are left.

    A member is gone once its track stands on the page. is_left, is_top: bool [M]; is_stale: bool [S], whether the top
    must be found again; last: int [S], the last member on which the top depends.
    """

    def __init__(self, instances: ShelfInstances, limit: np.ndarray) -> None:
        """Start with all members left; limit: int [S], how many members each instance shows at most."""
        self.instances, self.limit = instances, limit
        self.is_left = np.ones(len(instances.row), dtype=bool)
        self.is_top = np.zeros(len(instances.row), dtype=bool)
        self.is_stale = np.ones(len(limit), dtype=bool)
        self.last = np.zeros(len(limit), dtype=np.int64)

    def remove(self, is_used: np.ndarray) -> None:
        """Remove candidates (bool [N]) from all instances."""
        gone = np.flatnonzero(self.is_left & is_used[self.instances.row])
        self.is_left[gone] = False
        instance = self.instances.instance[gone]
        self.is_stale[instance[gone <= self.last[instance]]] = True

    def find(self, is_open: np.ndarray, is_free: np.ndarray, allowance: np.ndarray | None) -> np.ndarray:
        """Return the members that the open instances (bool [S]) would show, ascending; see ShelfInstances.top().

        is_free: bool [M], the members that may be shown. allowance: int [N], how many more tracks by a candidate's
        artist its page may hold; where pages have such a limit every shelf that is placed changes all others.
        """
        self._update(np.flatnonzero(is_open if allowance is not None else is_open & self.is_stale), is_free, allowance)
        members = np.flatnonzero(self.is_top)
        return members[is_open[self.instances.instance[members]]]

    def _update(self, stale: np.ndarray, is_free: np.ndarray, allowance: np.ndarray | None) -> None:
        instances = self.instances
        members, rank = instances.top(stale, is_free, self.limit, allowance)
        instance = instances.instance[members]
        self.is_top[instances.members(stale)] = False
        self.is_top[members] = True
        # an instance that is not full depends on all its members
        self.last[stale] = instances.first[stale + 1]
        is_full = rank == self.limit[instance] - 1
        self.last[instance[is_full]] = members[is_full]
        self.is_stale[stale] = False
