"""The first screen: the cards that a user sees without scrolling, and the cap on those by one artist."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.pages.composition.candidate_rows import CandidateRows
from transforms.pages.composition.sampling import MASKED

# Its shelves, and the first cards of each.
SCREEN_SHELVES, SCREEN_CARDS = 3, 5
# Behind the last track of a shelf; -1 is an unknown artist.
_NOTHING = -2


@dataclass
class FirstScreen:
    """Cards by each artist on the first screens so far, int by pair of user and artist; cap: at most, 0: any number."""

    cap: int
    n_of_artist: np.ndarray

    @classmethod
    def empty(cls, rows: CandidateRows, cap: int) -> "FirstScreen":
        """Return zeros; the last is that of tracks without an artist."""
        return cls(cap, np.zeros(int(rows.artist.max(initial=-1)) + 2, dtype=np.int32))

    def at(self, position: int) -> "FirstScreen | None":
        """Return itself where a shelf is on the first screen and the cap is on."""
        return self if self.cap and position < SCREEN_SHELVES else None

    def bar(self, utility: np.ndarray, artist: np.ndarray, is_fixed: np.ndarray) -> np.ndarray:
        """Mask the tracks (utility [C, P]) by artists of whom there are enough, where another track is left.

        artist: int [C, P], pairs of user and artist. is_fixed: bool [C], shelves whose order nothing may change.
        """
        is_full = self.n_of_artist[artist] >= self.cap
        if not is_full.any():
            return utility
        has_other = ((utility > MASKED) & ~is_full).any(axis=1) & ~is_fixed
        return np.where(is_full & has_other[:, None], MASKED, utility)

    def has_room(self, instance: np.ndarray, rank: np.ndarray, artist: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Return which shelf instances have enough tracks for their part of the first screen under the cap, bool [S].

        instance, rank, artist: int [M], the tracks that each would show; the first twice as many as needed are looked
        at. size: int [S], how many each would show.
        """
        is_near = rank < 2 * SCREEN_CARDS
        row, column = instance[is_near], rank[is_near]
        by = np.full((len(size), 2 * SCREEN_CARDS), _NOTHING, dtype=np.int32)
        by[row, column] = artist[is_near]
        # how many by the artist stand before it, on the screen and on the shelf
        before = self.n_of_artist[np.maximum(by, -1)]
        for one in range(1, by.shape[1]):
            before[:, one] += (by[:, :one] == by[:, one, None]).sum(axis=1)
        num_fitting = ((by >= 0) & (before < self.cap) | (by == -1)).sum(axis=1)
        return np.asarray(num_fitting >= np.minimum(size, SCREEN_CARDS))

    def add(self, artist: np.ndarray) -> None:
        """Count cards by artists (pairs), at most one of each user."""
        self.n_of_artist[artist[artist >= 0]] += 1


def crowded_users(shown: pl.DataFrame, rows: CandidateRows, num_users: int, cap: int) -> np.ndarray:
    """Return whose first screen holds more cards by one artist than the cap, bool [U]; shown: see ComposedPages."""
    is_crowded = np.zeros(num_users, dtype=bool)
    if cap:
        row = shown["row"].to_numpy()[
            ((shown["position"] < SCREEN_SHELVES) & (shown["rank"] < SCREEN_CARDS)).to_numpy()
        ]
        row = row[rows.artist[row] >= 0]
        n_of_artist = np.bincount(rows.artist[row], minlength=1)
        is_crowded[rows.user[row[n_of_artist[rows.artist[row]] > cap]]] = True
    return is_crowded
