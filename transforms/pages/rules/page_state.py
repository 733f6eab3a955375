"""Pages while they are composed, as rules see them: what stands on each page, and which shelves could come next."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# Index of a shelf that no page of this surface can hold; -1 is an empty position.
_ABSENT_SHELF = -2
# What a page names as relaxed where the cap by artist of its first screen could not hold.
CAP_NAME = "first_screen_artist_tracks"


@dataclass
class PageState:
    """Shelves on the pages of a block of users so far.

    shelf_index: int [U, positions], index into the shelves of the surface, -1 where nothing stands yet.
    unplayed: int [U, positions], number of tracks on that shelf that the user has never played.
    index_of: index of every shelf of the surface, by its id.
    """

    shelf_index: np.ndarray
    unplayed: np.ndarray
    index_of: Mapping[str, int]

    @classmethod
    def empty(cls, num_users: int, num_positions: int, index_of: Mapping[str, int]) -> "PageState":
        """Return empty pages."""
        shape = (num_users, num_positions)
        return cls(np.full(shape, -1, dtype=np.int32), np.zeros(shape, dtype=np.int32), index_of)

    def index(self, shelf_id: str) -> int:
        """Return the index of a shelf; one that no page of the surface can hold has an index that stands nowhere."""
        return self.index_of.get(shelf_id, _ABSENT_SHELF)

    def is_shelf(self, shelf_id: str) -> np.ndarray:
        """Return where a shelf of this id stands, bool [U, positions]."""
        return np.asarray(self.shelf_index == self.index(shelf_id))

    def num_unplayed(self, num_shelves: int) -> np.ndarray:
        """Count the unplayed tracks on the first shelves of each page, int [U]."""
        return np.asarray(self.unplayed[:, :num_shelves].sum(axis=1))


@dataclass(frozen=True)
class ShelfOptions:
    """Shelf instances that could take one position of their users' pages; arrays over instances [S].

    user, shelf_index: int, whose instance of which shelf. size: int, tracks that it would show; unplayed: int, those of
    them that the user has never played. value: float64, see shelf_value(). num_before: int, instances of the shelf that
    stand on the page already. divisor: float64, by how much less the value counts because of the shelves near it, see
    page_value.py. log_utility: float64, ln(value / ((1 + num_before) divisor)), by which instances compete.
    has_room: bool, whether the cap by artist of the first screen leaves it enough tracks. is_open: bool, whether it may
    take the position.
    """

    user: np.ndarray
    shelf_index: np.ndarray
    size: np.ndarray
    unplayed: np.ndarray
    value: np.ndarray
    num_before: np.ndarray
    divisor: np.ndarray
    log_utility: np.ndarray
    has_room: np.ndarray
    is_open: np.ndarray
