"""Pages while they are composed: what stands on them, which tracks are left, and observers of it."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from transforms.pages.composition.fill_shelves import PageCounts
from transforms.pages.composition.first_screen import FirstScreen
from transforms.pages.composition.inputs import CompositionInputs
from transforms.pages.composition.page_value import Attention, ShelvesAbove
from transforms.pages.composition.top_slots import TopSlots
from transforms.pages.rules.page_state import PageState, ShelfOptions

# One row per track of a composed page: numbers of the user and of the candidate, probabilities of the choices.
SHOWN_TRACKS = {
    "user": pl.Int32,
    "position": pl.Int32,
    "shelf_index": pl.Int32,
    "code": pl.Int32,
    "p_shelf": pl.Float64,
    "rank": pl.Int32,
    "row": pl.Int32,
    "p_track": pl.Float64,
}


class Availability(NamedTuple):
    """Tracks that may still be shown.

    is_free: bool [M], members whose track is left and whose artist the page has room for. allowance: int [N], how many
    more tracks by each candidate's artist its page may hold; None: any number.
    """

    is_free: np.ndarray
    allowance: np.ndarray | None


class ChosenShelves(NamedTuple):
    """One instance of each of C users, and the probability with which it was chosen."""

    instance: np.ndarray
    propensity: np.ndarray


@dataclass(frozen=True)
class Placement:
    """One position that was filled on the pages of some users.

    options: all shelf instances before it; chosen: int [C], the instance of each user; shown: their tracks, as
    ComposedPages.shown. was_left: bool [M], members that were left before; is_free: see Availability.
    """

    position: int
    options: ShelfOptions
    chosen: np.ndarray
    shown: pl.DataFrame
    was_left: np.ndarray
    is_free: np.ndarray


class PageObserver(Protocol):
    """Watches how pages are composed. Pages of conflicting rules are composed several times, the last time for good."""

    def on_start(self, inputs: CompositionInputs) -> None:
        """Note that pages are composed from the start."""

    def on_placement(self, placement: Placement) -> None:
        """Note that a position was filled."""


@dataclass
class Progress:
    """Shelves and tracks on the pages so far, and those that are left.

    slots: what each instance would show. num_placed: int [U, shelves], instances on each page; is_placed: bool [S],
    instances that stand on the page, or whose title does. attention, above, screen: what lowers the worth of more of
    the same.
    """

    page: PageState
    slots: TopSlots
    counts: PageCounts
    num_placed: np.ndarray
    is_placed: np.ndarray
    attention: Attention
    above: ShelvesAbove
    screen: FirstScreen
    shown: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=SHOWN_TRACKS)])

    @classmethod
    def start(cls, inputs: CompositionInputs) -> "Progress":
        """Return empty pages."""
        return cls(
            PageState.empty(inputs.num_users, inputs.policy.max_shelves, inputs.index_of),
            TopSlots(inputs.instances, inputs.traits.limit),
            PageCounts.empty(inputs.rows, inputs.num_users),
            np.zeros((inputs.num_users, len(inputs.index_of)), dtype=np.int32),
            np.zeros(len(inputs.instances.user), dtype=bool),
            Attention.empty(inputs.rows),
            ShelvesAbove.empty(inputs.num_users, inputs.policy.max_shelves),
            FirstScreen.empty(inputs.rows, inputs.policy.first_screen_artist_tracks),
        )

    def available(self, inputs: CompositionInputs) -> Availability:
        """Return the tracks that may still be shown."""
        allowance = inputs.artist_allowance(self.counts.artist)
        is_left = self.slots.is_left
        return Availability(
            is_left if allowance is None else is_left & (allowance[inputs.instances.row] > 0), allowance
        )
