"""Pages small enough to list them all: two of three shelves, two of three tracks on each, under two policies."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import polars as pl

from tests.worlds import AS_OF
from transforms.experiments.off_policy.schemas import LOGGED_CHOICES

NUM_SHELVES, NUM_TRACKS, LENGTH = 3, 3, 2
# (shelf, tracks), ...
Page = tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True)
class TinyPolicy:
    """Sequential softmaxes: utilities of shelves [3], and of tracks [3, 3]."""

    shelves: np.ndarray
    tracks: np.ndarray

    @classmethod
    def random(cls, seed: int, spread: float = 1.0) -> "TinyPolicy":
        rng = np.random.default_rng(seed)
        return cls(spread * rng.normal(size=NUM_SHELVES), spread * rng.normal(size=(NUM_SHELVES, NUM_TRACKS)))

    def p_shelf(self, shelf: int, above: list[int]) -> float:
        return softmax_of(self.shelves, shelf, above)

    def p_track(self, shelf: int, track: int, before: list[int]) -> float:
        return softmax_of(self.tracks[shelf], track, before)

    def choices(self, page: Page) -> Iterator[tuple[int, int, float]]:
        """Yield shelf position, position and probability of each choice."""
        for at, (shelf, tracks) in enumerate(page):
            yield at, -1, self.p_shelf(shelf, [one for one, _ in page[:at]])
            for rank, track in enumerate(tracks):
                yield at, rank, self.p_track(shelf, track, list(tracks[:rank]))

    def probability(self, page: Page) -> float:
        return float(np.prod([p for _, _, p in self.choices(page)]))


def softmax_of(utility: np.ndarray, chosen: int, taken: list[int]) -> float:
    """The probability of one option among those that are left."""
    left = [one for one in range(len(utility)) if one not in taken]
    return float(np.exp(utility[chosen]) / sum(np.exp(utility[one]) for one in left))


def every_page() -> list[Page]:
    shelves = list(permutations(range(NUM_SHELVES), LENGTH))
    tracks = list(permutations(range(NUM_TRACKS), LENGTH))
    return [((a, x), (b, y)) for a, b in shelves for x in tracks for y in tracks]


def reward_of(page: Page, at: int, rank: int) -> float:
    """The mean outcome of a card: it depends on the shelves above, and on the tracks before it on its shelf."""
    shelf, tracks = page[at]
    above = sum(1 + one for one, _ in page[:at])
    before = sum(1 + one for one in tracks[:rank])
    return (1 + shelf + 2 * tracks[rank]) / (10 + 3 * above + 2 * before + at + rank)


def value(policy: TinyPolicy) -> float:
    """The mean outcome of a page, over all pages."""
    return sum(
        policy.probability(page) * sum(reward_of(page, at, rank) for at in range(LENGTH) for rank in range(LENGTH))
        for page in every_page()
    )


def choices_of(
    pages: list[Page], logging: TinyPolicy, target: TinyPolicy, rewards: np.ndarray, users: list[str]
) -> pl.DataFrame:
    """LOGGED_CHOICES of pages; rewards: [pages, LENGTH, LENGTH]. Scores are wrong guesses of rewards."""
    rows: list[dict[str, Any]] = []
    for request, page in enumerate(pages):
        pairs = zip(logging.choices(page), target.choices(page), strict=True)
        for (at, rank, logged), (_, _, wanted) in pairs:
            shelf, tracks = page[at]
            row = {
                "user_id": users[request],
                "request": request,
                "shown_at": AS_OF,
                "shelf_id": f"s{shelf}",
                "shelf_position": at,
                "position": rank,
                "propensity": logged,
                "target_propensity": wanted,
                "target_unlogged": 0.0,
                "outcome": 0.0,
            }
            if rank >= 0:
                left = [one for one in range(NUM_TRACKS) if one not in tracks[:rank]]
                guess = {one: (1.0 + shelf + one) / 5 for one in left}
                row["track_id"] = f"t{shelf}{tracks[rank]}"
                row["outcome"] = float(rewards[request, at, rank])
                row["score"] = guess[tracks[rank]]
                row["target_score"] = sum(target.p_track(shelf, one, list(tracks[:rank])) * guess[one] for one in left)
            rows.append(row)
    return LOGGED_CHOICES.frame(rows)
