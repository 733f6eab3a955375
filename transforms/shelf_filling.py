"""Which tracks a shelf shows: one after the other, by order, bent towards diversity and calibration, or drawn.

A track's utility, the logarithm of its weight, is

    order  -  diversity x likeness  +  calibration x (gain of genre + gain of novelty)

- likeness: the largest cosine to a track that stands on the shelf already, 1 for one of the same artist (maximal
  marginal relevance: Carbonell & Goldstein, SIGIR 1998).
- gain: by how much the page's Kullback-Leibler divergence from what the user plays falls with the track (Steck,
  Calibrated Recommendations, RecSys 2018), times the tracks that stand on it: a page's share of one track shrinks as it
  grows.

The caps hold in the pool that tracks are taken from, whatever is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from transforms.choices import CLOSED, Choice
from transforms.page_rows import Rows

# Tracks that a shelf chooses among, for each that it shows.
POOL_PER_TRACK = 4
# A strength of 1 makes the likest track count as if its weight were e^3 times smaller.
LIKENESS_NATS = 3.0
# As Steck's alpha: the page's distribution is mixed with that of the user, so that no gain is infinite.
SMOOTHING = 0.1


@dataclass(frozen=True)
class Pool:
    """What the chosen shelves could show, of C users, each in order: row int [C, P], -1 behind the last; order [C, P].

    size: int [C], how many each shows; unheard: int [C], how many of them the rules want unheard, at least.
    """

    row: np.ndarray
    order: np.ndarray
    size: np.ndarray
    unheard: np.ndarray


@dataclass
class Tally:
    """What stands on the pages so far: tracks of each user [U], and of each pair of Rows."""

    tracks: np.ndarray
    artist: np.ndarray
    genre: np.ndarray
    novelty: np.ndarray

    @classmethod
    def empty(cls, rows: Rows, num_users: int) -> "Tally":
        """Nothing stands anywhere."""
        sizes = (int(pairs.max(initial=-1)) + 1 for pairs in (rows.artist, rows.genre))
        artist, genre = (np.zeros(size, dtype=np.int32) for size in sizes)
        return cls(np.zeros(num_users, np.int32), artist, genre, np.zeros(2 * num_users, np.int32))

    def add(self, rows: Rows, shown: np.ndarray) -> None:
        """Count the rows, at most one of each user."""
        self.tracks[rows.user[shown]] += 1
        for counts, pairs in ((self.artist, rows.artist), (self.genre, rows.genre), (self.novelty, rows.novelty)):
            pair = pairs[shown]
            counts[pair[pair >= 0]] += 1


# (utility [C, P], users [C], step) -> the choice of each
Chooser = Callable[[np.ndarray, np.ndarray, int], Choice]


def fill(
    pool: Pool,
    rows: Rows,
    tally: Tally,
    *,
    diversity: float,
    calibration: float,
    vectors: np.ndarray,
    choose: Chooser,
) -> tuple[np.ndarray, np.ndarray]:
    """Take tracks until each shelf is full, and count them in the tally.

    Returns rows int [C, most], -1 behind the last, and propensities float64 [C, most].
    """
    everyone, most = np.arange(len(pool.row)), int(pool.size.max(initial=0))
    shown = np.full((len(pool.row), most), -1, dtype=np.int32)
    propensity = np.ones((len(pool.row), most))
    is_open, unheard = pool.row >= 0, pool.unheard.copy()
    likeness = like_each_other(pool, rows, vectors) if diversity else None
    nearest = np.zeros(pool.row.shape)
    for rank in range(most):
        at = np.flatnonzero(rank < pool.size)
        utility = np.where(is_open, pool.order, CLOSED)[at]
        if likeness is not None:
            utility = utility - diversity * LIKENESS_NATS * nearest[at]
        if calibration:
            utility = utility + calibration * gains(pool.row[at], rows, tally)
        must = (unheard >= pool.size - rank)[at, None] & ~rows.is_unheard[pool.row[at]]
        choice = choose(np.where(must, CLOSED, utility), rows.user[pool.row[at, 0]], rank)
        shown[at, rank] = pool.row[at, choice.option]
        propensity[at, rank] = choice.propensity
        is_open[at, choice.option] = False
        unheard[at] -= rows.is_unheard[shown[at, rank]]
        tally.add(rows, shown[at, rank])
        if likeness is not None:
            nearest[at] = np.maximum(nearest[at], likeness[everyone[at], choice.option])
    return shown, propensity


def like_each_other(pool: Pool, rows: Rows, vectors: np.ndarray) -> np.ndarray:
    """How like each other the tracks of each pool are, float64 [C, P, P]."""
    vector = vectors[rows.track[pool.row]]
    cosine = np.matmul(vector, vector.transpose(0, 2, 1)).clip(0, 1).astype(np.float64)
    artist = rows.artist[pool.row]
    is_same = (artist[:, :, None] == artist[:, None, :]) & (artist >= 0)[:, :, None]
    return np.where(is_same, 1.0, cosine)


def gains(row: np.ndarray, rows: Rows, tally: Tally) -> np.ndarray:
    """What each row [...] would do for the calibration of its page as it stands, float64 [...]."""
    total = tally.tracks[rows.user[row]] + 1.0
    genre = np.where(rows.genre[row] >= 0, tally.genre[rows.genre[row]] if len(tally.genre) else 0, 0)
    parts = ((genre, rows.share_of_genre), (tally.novelty[rows.novelty[row]], rows.share_of_novelty))
    of_genre, of_novelty = (_gain(counted, share[row], total) for counted, share in parts)
    return of_genre + of_novelty


def _gain(counted: np.ndarray, share: np.ndarray, total: np.ndarray) -> np.ndarray:
    """By how much the divergence falls when a page of `total` tracks with it has one more of a kind, times these."""
    floor = SMOOTHING * share + 1e-12
    kept = (1 - SMOOTHING) / total
    return total * share * np.log((kept * (counted + 1) + floor) / (kept * counted + floor))
