"""Choose the tracks of shelves one after the other: by order, re-ranked for diversity and calibration, or drawn.

A track's utility, the logarithm of its weight, is

    order  -  diversity x 3 x similarity
           +  calibration x inverse position weight x (gain of genre + gain of novelty / 10)

- similarity: the largest cosine to a track that already stands on the shelf, 1 for one by the same artist (maximal
  marginal relevance: Carbonell & Goldstein, SIGIR 1998).
- gain: by how much the page's Kullback-Leibler divergence from the user's plays falls with the track (Steck,
  Calibrated Recommendations, RecSys 2018), times the tracks on the page: a page's share of one track shrinks as it
  grows. Pages are close to the user in novelty anyway, and more of it costs repeats, so it counts little.
- inverse position weight: log2(position + 2) x log2(rank + 2). A page is calibrated as a whole, so the exchange is made
  where the fewest users look.

The caps by artist and album hold for the whole pool that tracks are taken from, whichever are taken. On the first
screen tracks by artists of whom it has enough are barred.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from transforms.pages.composition.candidate_rows import CandidateRows
from transforms.pages.composition.first_screen import SCREEN_CARDS, FirstScreen
from transforms.pages.composition.sampling import MASKED, Choice

# Tracks that a shelf chooses among, for each track that it shows.
POOL_PER_TRACK = 4
# With a strength of 1, the most similar track counts as if its weight were e^3 times smaller.
_SIMILARITY_NATS = 3.0
# Weight of a gain of novelty; that of a gain of genre is 1.
_NOVELTY_WEIGHT = 0.1
# Steck's alpha: the page's distribution is mixed with that of the user, so that no gain is infinite.
_SMOOTHING = 0.1


@dataclass(frozen=True)
class Pool:
    """Tracks that the chosen shelves of C users could show, each shelf in its order.

    row: int [C, P], candidates, -1 behind the last. order: float64 [C, P], see Shelf; MASKED behind the last.
    size: int [C], tracks that each shelf shows, the largest first. unplayed: int [C], how many of them the rules want
    to be unplayed, at least. is_fixed: bool [C], shelves whose order nothing else on the page may change.
    """

    row: np.ndarray
    order: np.ndarray
    size: np.ndarray
    unplayed: np.ndarray
    is_fixed: np.ndarray


@dataclass
class PageCounts:
    """Tracks on the pages so far: of each user [U], and of each pair of CandidateRows."""

    tracks: np.ndarray
    artist: np.ndarray
    genre: np.ndarray
    novelty: np.ndarray

    @classmethod
    def empty(cls, rows: CandidateRows, num_users: int) -> "PageCounts":
        """Return zeros; the last of the artists and of the genres is that of tracks without one."""
        sizes = (int(pairs.max(initial=-1)) + 2 for pairs in (rows.artist, rows.genre))
        artist, genre = (np.zeros(size, dtype=np.int32) for size in sizes)
        return cls(np.zeros(num_users, np.int32), artist, genre, np.zeros(2 * num_users, np.int32))

    def add(self, rows: CandidateRows, shown: np.ndarray) -> None:
        """Count candidates (rows), at most one of each user."""
        self.tracks[rows.user[shown]] += 1
        for counts, pairs in ((self.artist, rows.artist), (self.genre, rows.genre), (self.novelty, rows.novelty)):
            pair = pairs[shown]
            counts[pair[pair >= 0]] += 1


@dataclass(frozen=True)
class ReRanking:
    """Strengths of diversity and calibration (0: off), and the vectors of all tracks, float32 [tracks, D].

    screen: the first screen, whose cap by artist holds; None: the shelves are below it.
    """

    diversity: float
    calibration: float
    vectors: np.ndarray
    screen: FirstScreen | None


@dataclass(frozen=True)
class FilledShelves:
    """Tracks of C shelves: candidates int [C, most], -1 behind the last, and propensities float64 [C, most]."""

    row: np.ndarray
    propensity: np.ndarray


# (utility [C, P], users [C], rank, candidates [C, P]) -> the choice of each user
TrackChooser = Callable[[np.ndarray, np.ndarray, int, np.ndarray], Choice]


def fill_shelves(
    pool: Pool, rows: CandidateRows, counts: PageCounts, *, reranking: ReRanking, choose: TrackChooser
) -> FilledShelves:
    """Choose tracks until each shelf is full, and add them to the counts of their pages."""
    line, most = np.arange(len(pool.row)), int(pool.size.max(initial=0))
    filled = FilledShelves(
        np.full((len(pool.row), most), -1, dtype=np.int32), np.ones((len(pool.row), most), dtype=np.float64)
    )
    order, unplayed, user = pool.order.copy(), pool.unplayed.copy(), rows.user[pool.row[:, 0]]
    is_played, artist = ~rows.is_unplayed[pool.row], rows.artist[pool.row]
    adjustment = _Adjustment(pool, rows, user, reranking)
    for rank in range(most):
        # the shelves that are not full yet are the first lines
        n = int(np.count_nonzero(rank < pool.size))
        utility = adjustment.apply(order[:n], rank, counts)
        is_barred = (unplayed >= pool.size - rank)[:n, None] & is_played[:n]
        utility = np.where(is_barred, MASKED, utility)
        screen = reranking.screen if rank < SCREEN_CARDS else None
        if screen:
            utility = screen.bar(utility, artist[:n], pool.is_fixed[:n])
        choice = choose(utility, user[:n], rank, pool.row[:n])
        taken = line[:n], choice.option
        filled.row[:n, rank], filled.propensity[:n, rank] = pool.row[taken], choice.propensity
        order[taken] = MASKED
        unplayed[:n] -= ~is_played[taken]
        counts.add(rows, filled.row[:n, rank])
        if screen:
            screen.add(artist[taken])
        adjustment.take(taken)
    return filled


class _Adjustment:
    """Changes of the order of the tracks of a pool by diversity and calibration."""

    def __init__(self, pool: Pool, rows: CandidateRows, user: np.ndarray, reranking: ReRanking) -> None:
        self.strengths = reranking
        self.shares = _Shares.of(pool.row, user[:, None], rows) if reranking.calibration else None
        self.similarity = _Similarity(pool, rows, reranking.vectors) if reranking.diversity else None

    def apply(self, order: np.ndarray, rank: int, counts: PageCounts) -> np.ndarray:
        """Return the utility of the tracks of the first lines, given their order [n, P]."""
        n, utility = len(order), order
        if self.similarity is not None:
            utility = utility - self.strengths.diversity * _SIMILARITY_NATS * self.similarity.nearest[:n]
        if self.shares is not None:
            gains = _calibration_gains(self.shares.first(n), counts)
            utility = utility + self.strengths.calibration * np.log2(rank + 2) * gains
        return utility

    def take(self, taken: tuple[np.ndarray, np.ndarray]) -> None:
        """Note the track (line and column) that each of the first lines took."""
        if self.similarity is not None:
            self.similarity.take(taken)


class _Similarity:
    """Similarity of the tracks of each pool to those taken from it so far: `nearest`, float64 [C, P]."""

    def __init__(self, pool: Pool, rows: CandidateRows, vectors: np.ndarray) -> None:
        self.vector, self.artist = vectors[rows.track[pool.row]], rows.artist[pool.row]
        self.nearest = np.zeros(pool.row.shape)

    def take(self, taken: tuple[np.ndarray, np.ndarray]) -> None:
        n = len(taken[0])
        cosine = np.matmul(self.vector[:n], self.vector[taken][:, :, None])[:, :, 0]
        artist = self.artist[taken][:, None]
        is_same = (self.artist[:n] == artist) & (artist >= 0)
        self.nearest[:n] = np.maximum(self.nearest[:n], np.where(is_same, 1.0, cosine.clip(0, 1)))


@dataclass(frozen=True)
class _Shares:
    """Facts of candidates that calibration needs: arrays of one shape, but for `user`, which may have one column."""

    user: np.ndarray
    genre: np.ndarray
    novelty: np.ndarray
    share_of_genre: np.ndarray
    share_of_novelty: np.ndarray  # of each pair, [2 U]

    @classmethod
    def of(cls, row: np.ndarray, user: np.ndarray, rows: CandidateRows) -> "_Shares":
        return cls(user, rows.genre[row], rows.novelty[row], rows.share_of_genre[row], rows.share_of_novelty)

    def first(self, n: int) -> "_Shares":
        return _Shares(self.user[:n], self.genre[:n], self.novelty[:n], self.share_of_genre[:n], self.share_of_novelty)


def _calibration_gains(shares: _Shares, counts: PageCounts) -> np.ndarray:
    """Return how much each candidate [...] would improve the calibration of its page as it stands, float64 [...]."""
    total = counts.tracks + 1.0
    of_genre = _gain(counts.genre[shares.genre], shares.share_of_genre, total[shares.user])
    of_novelty = _gain(counts.novelty, shares.share_of_novelty, np.repeat(total, 2))
    return np.asarray(of_genre + _NOVELTY_WEIGHT * of_novelty[shares.novelty])


def _gain(counted: np.ndarray, share: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return by how much the divergence of a page of `total` tracks falls with one more of a kind, times `total`."""
    floor = _SMOOTHING * share + 1e-12
    kept = (1 - _SMOOTHING) / total
    return np.asarray(total * share * np.log((kept * (counted + 1) + floor) / (kept * counted + floor)))
