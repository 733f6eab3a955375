"""The value of more of the same: what stands on a page already makes further tracks and shelves like it worth less.

- A card is worth 1 / (1 + saturation x attention already on its artist), and alike for its genre. The attention on an
  artist is the sum of the attention on the cards by it: listeners see the first shelves, and the first cards of each.
  Such returns are concave: they are the increments of ln(1 + saturation x attention) / saturation.
- A shelf is worth 1 / (1 + saturation x shelves of its idea), the one just above counting 1, the one above that 1/2 and
  so on; and alike, for interleaving, for shelves that are as familiar or as new to the user. So neighbours differ.

A strength of 0 is exactly off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.metrics import dcg_discount
from transforms.pages.composition.candidate_rows import CandidateRows
from transforms.pages.composition.policy import Policy
from transforms.pages.shelves.shelf import Shelf


@dataclass
class Attention:
    """Attention that the cards of the pages so far draw to pairs of a user and an artist, or a genre.

    artist, genre: float64; the last of each is that of tracks without one, and stays 0.
    """

    artist: np.ndarray
    genre: np.ndarray

    @classmethod
    def empty(cls, rows: CandidateRows) -> "Attention":
        """Return zeros."""
        artist, genre = (np.zeros(int(pairs.max(initial=-1)) + 2) for pairs in (rows.artist, rows.genre))
        return cls(artist, genre)

    def add(self, rows: CandidateRows, shown: np.ndarray, position: int, rank: np.ndarray) -> None:
        """Add the candidates (rows) that were shown at a position of their pages."""
        drawn = dcg_discount(np.array([position]))[0] * dcg_discount(rank)
        for seen, pairs in ((self.artist, rows.artist), (self.genre, rows.genre)):
            pair = pairs[shown]
            is_known = pair >= 0
            np.add.at(seen, pair[is_known], drawn[is_known])

    def saturation(self, rows: CandidateRows, row: np.ndarray, policy: Policy) -> np.ndarray | None:
        """Return by what the worth of candidates (rows, of any shape) is divided; None: nothing is."""
        divisor: np.ndarray | None = None
        for strength, seen, pairs in (
            (policy.artist_saturation, self.artist, rows.artist),
            (policy.genre_saturation, self.genre, rows.genre),
        ):
            if strength:
                of_kind = 1 + strength * seen[pairs[row]]
                divisor = of_kind if divisor is None else divisor * of_kind
        return divisor


def number_ideas(shelves: Sequence[Shelf]) -> np.ndarray:
    """Number the ideas of shelves, int [shelves]; one that declares none has its own."""
    ideas = [shelf.idea or f"shelf {shelf.id}" for shelf in shelves]
    return np.array([ideas.index(idea) for idea in ideas])


@dataclass
class ShelvesAbove:
    """The shelves on the pages so far: idea (-1: nothing stands there) and share of unplayed tracks, [U, positions]."""

    idea: np.ndarray
    unplayed: np.ndarray

    @classmethod
    def empty(cls, num_users: int, num_positions: int) -> "ShelvesAbove":
        """Return empty pages."""
        shape = (num_users, num_positions)
        return cls(np.full(shape, -1), np.zeros(shape))

    def divisor(
        self, position: int, user: np.ndarray, idea: np.ndarray, unplayed: np.ndarray, policy: Policy
    ) -> np.ndarray:
        """Return by what the value of shelf instances [S] at a position is divided; unplayed: share of their tracks."""
        divisor = np.ones(len(user))
        if policy.idea_saturation:
            divisor = divisor * (1 + policy.idea_saturation * self._near(position, user, idea))
        if policy.interleaving:
            divisor = divisor * (1 + policy.interleaving * self._as_familiar(position, user, unplayed))
        return divisor

    def _near(self, position: int, user: np.ndarray, idea: np.ndarray) -> np.ndarray:
        """Return the nearness of the shelves of the same idea, added up, float64 [S]."""
        near = np.zeros(len(user))
        for at in self._others(position):
            near += np.where(self.idea[user, at] == idea, 1 / abs(at - position), 0.0)
        return near

    def _as_familiar(self, position: int, user: np.ndarray, unplayed: np.ndarray) -> np.ndarray:
        """Return the nearness of the shelves that are as familiar, by how much they are, added up, float64 [S]."""
        near = np.zeros(len(user))
        for at in self._others(position):
            other = self.unplayed[user, at]
            alike = unplayed * other + (1 - unplayed) * (1 - other)
            near += np.where(self.idea[user, at] >= 0, alike / abs(at - position), 0.0)
        return near

    def _others(self, position: int) -> list[int]:
        """Return the other positions where something stands on a page."""
        return [at for at in range(self.idea.shape[1]) if at != position and (self.idea[:, at] >= 0).any()]
