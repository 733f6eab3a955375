"""Which tracks a shelf shows: one after the other, by order, bent towards diversity and calibration, or drawn.

A track's utility, the logarithm of its weight, is

    order  -  diversity x likeness  +  calibration x price of the place x (gain of genre + gain of novelty / 10)

- likeness: the largest cosine to a track that stands on the shelf already, 1 for one of the same artist (maximal
  marginal relevance: Carbonell & Goldstein, SIGIR 1998).
- gain: by how much the page's Kullback-Leibler divergence from what the user plays falls with the track (Steck,
  Calibrated Recommendations, RecSys 2018), times the tracks that stand on it: a page's share of one track shrinks as it
  grows. Pages are near the user in novelty anyway, and more of it costs repeats: it counts little.
- price of the place: log2(row + 2) x log2(rank + 2), the inverse of how much a place counts. A page is calibrated as a
  whole, so that is done where fewest look.

The caps hold in the pool that tracks are taken from, whatever is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from transforms.pages.candidate_rows import CandidateRows
from transforms.pages.sampling import MASKED, Choice

# Tracks that a shelf chooses among, for each that it shows.
POOL_PER_TRACK = 4
# A strength of 1 makes the likest track count as if its weight were e^3 times smaller.
SIMILARITY_NATS = 3.0
# What a gain of novelty counts, a gain of genre being 1.
NOVELTY_WEIGHT = 0.1
# As Steck's alpha: the page's distribution is mixed with that of the user, so that no gain is infinite.
CALIBRATION_SMOOTHING = 0.1


@dataclass(frozen=True)
class Pool:
    """What the chosen shelves could show, of C users, each in order: row int [C, P], -1 behind the last; order [C, P].

    size: int [C], how many each shows, the largest first; unheard: int [C], how many of them the rules want unheard, at
    least.
    """

    row: np.ndarray
    order: np.ndarray
    size: np.ndarray
    unheard: np.ndarray


@dataclass
class PageCounts:
    """What stands on the pages so far: tracks of each user [U], and of each pair of Rows."""

    tracks: np.ndarray
    artist: np.ndarray
    genre: np.ndarray
    novelty: np.ndarray

    @classmethod
    def empty(cls, rows: CandidateRows, num_users: int) -> "PageCounts":
        """Nothing stands anywhere; the last of the artists and of the genres is that of tracks without one."""
        sizes = (int(pairs.max(initial=-1)) + 2 for pairs in (rows.artist, rows.genre))
        artist, genre = (np.zeros(size, dtype=np.int32) for size in sizes)
        return cls(np.zeros(num_users, np.int32), artist, genre, np.zeros(2 * num_users, np.int32))

    def add(self, rows: CandidateRows, shown: np.ndarray) -> None:
        """Count the rows, at most one of each user."""
        self.tracks[rows.user[shown]] += 1
        for counts, pairs in ((self.artist, rows.artist), (self.genre, rows.genre), (self.novelty, rows.novelty)):
            pair = pairs[shown]
            counts[pair[pair >= 0]] += 1


@dataclass(frozen=True)
class CalibrationShares:
    """What calibration asks of rows, arrays of one shape but for `user`, which may be one a line."""

    user: np.ndarray
    genre: np.ndarray
    novelty: np.ndarray
    share_of_genre: np.ndarray
    share_of_novelty: np.ndarray  # of each pair, [2 U]

    @classmethod
    def of(cls, row: np.ndarray, user: np.ndarray, rows: CandidateRows) -> "CalibrationShares":
        """Of rows [...] of these users."""
        return cls(user, rows.genre[row], rows.novelty[row], rows.share_of_genre[row], rows.share_of_novelty)

    def first(self, n: int) -> "CalibrationShares":
        """Of the first lines."""
        return CalibrationShares(
            self.user[:n], self.genre[:n], self.novelty[:n], self.share_of_genre[:n], self.share_of_novelty
        )


# (utility [C, P], users [C], step) -> the choice of each
Chooser = Callable[[np.ndarray, np.ndarray, int], Choice]


def fill_shelves(
    pool: Pool,
    rows: CandidateRows,
    tally: PageCounts,
    *,
    diversity: float,
    calibration: float,
    vectors: np.ndarray,
    choose: Chooser,
) -> tuple[np.ndarray, np.ndarray]:
    """Take tracks until each shelf is full, and count them in the tally.

    Returns rows int [C, most], -1 behind the last, and propensities float64 [C, most].
    """
    line, most = np.arange(len(pool.row)), int(pool.size.max(initial=0))
    shown = np.full((len(pool.row), most), -1, dtype=np.int32)
    propensity = np.ones((len(pool.row), most))
    order, unheard, user = pool.order.copy(), pool.unheard.copy(), rows.user[pool.row[:, 0]]
    is_heard = ~rows.is_unheard[pool.row]
    kinds = CalibrationShares.of(pool.row, user[:, None], rows)
    likeness = Similarity(pool, rows, vectors) if diversity else None
    for rank in range(most):
        # those still open are the first lines
        n = int(np.count_nonzero(rank < pool.size))
        utility = order[:n]
        if likeness is not None:
            utility = utility - diversity * SIMILARITY_NATS * likeness.nearest[:n]
        if calibration:
            utility = utility + calibration * np.log2(rank + 2) * calibration_gains(kinds.first(n), tally)
        must = (unheard >= pool.size - rank)[:n, None] & is_heard[:n]
        choice = choose(np.where(must, MASKED, utility), user[:n], rank)
        taken = line[:n], choice.option
        shown[:n, rank], propensity[:n, rank] = pool.row[taken], choice.propensity
        order[taken] = MASKED
        unheard[:n] -= ~is_heard[taken]
        tally.add(rows, shown[:n, rank])
        if likeness is not None:
            likeness.take(taken)
    return shown, propensity


class Similarity:
    """How like the tracks of each pool are to those taken from it so far: `nearest`, float64 [C, P]."""

    def __init__(self, pool: Pool, rows: CandidateRows, vectors: np.ndarray) -> None:
        """Nothing is taken."""
        self.vector, self.artist = vectors[rows.track[pool.row]], rows.artist[pool.row]
        self.nearest = np.zeros(pool.row.shape)

    def take(self, taken: tuple[np.ndarray, np.ndarray]) -> None:
        """Take a track of each of the first lines: line and place [n]."""
        n = len(taken[0])
        cosine = np.matmul(self.vector[:n], self.vector[taken][:, :, None])[:, :, 0]
        artist = self.artist[taken][:, None]
        is_same = (self.artist[:n] == artist) & (artist >= 0)
        self.nearest[:n] = np.maximum(self.nearest[:n], np.where(is_same, 1.0, cosine.clip(0, 1)))


def calibration_gains(kinds: CalibrationShares, tally: PageCounts) -> np.ndarray:
    """What each row [...] would do for the calibration of its page as it stands, float64 [...]."""
    total = tally.tracks + 1.0
    of_genre = _gain(tally.genre[kinds.genre], kinds.share_of_genre, total[kinds.user])
    of_novelty = _gain(tally.novelty, kinds.share_of_novelty, np.repeat(total, 2))
    return of_genre + NOVELTY_WEIGHT * of_novelty[kinds.novelty]


def _gain(counted: np.ndarray, share: np.ndarray, total: np.ndarray) -> np.ndarray:
    """By how much the divergence falls when a page of `total` tracks with it has one more of a kind, times these."""
    floor = CALIBRATION_SMOOTHING * share + 1e-12
    kept = (1 - CALIBRATION_SMOOTHING) / total
    return total * share * np.log((kept * (counted + 1) + floor) / (kept * counted + floor))
