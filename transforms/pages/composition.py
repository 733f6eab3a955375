"""Compose pages, position by position, for all users of a block at once.

The shelf that is worth most takes the place; then its tracks are used, and what the other shelves would now show is
valued anew (the stage-wise page of Alvino & Basilico, Learning a Personalized Homepage, 2015).

- A shelf's value is the sum of score / log2(rank + 2) over the tracks that it would show: expected listens, with the
  discount of DCG (Jarvelin & Kekalainen, TOIS 2002) for those further to the right.
- The k-th shelf of one entry is worth 1/k of its value: returns diminish, as in Teo et al. (Adaptive, Personalized
  Diversity for Visual Discovery, RecSys 2016). Else the mixes, full of what will be played again anyway, fill the page.
- Shelves that say nothing of the user stand below all that do, whatever their value: a page does not open with the
  charts for someone whose taste is known.
- A shelf that can show fewer tracks than its minimum is withheld, and the next takes the place; where that leaves an
  empty page, a shelf that says nothing of the user needs no minimum.
- Shelves that rules pin to a position are filled first, so that nothing else can take their tracks.
- With exploration, shelves and tracks are drawn (see choices.py), each with the probability that it had given all that
  stood before it and was feasible: their product is the probability of the page.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.pages.candidate_rows import CandidateRows, rank_discount
from transforms.pages.constraints import PageConstraints, PageState, ShelfOptions, prefer
from transforms.pages.fill_shelf import POOL_PER_TRACK, PageCounts, Pool, fill_shelves
from transforms.pages.policy import Policy
from transforms.pages.sampling import MASKED, Choice, sample_choice, uniform_draws
from transforms.pages.shelf_instances import find_instances
from transforms.pages.shelves import Shelf
from transforms.pages.top_slots import TopSlots
from transforms.tables.groups import rank_in_run

# Numbers are drawn for a position and, on it, for the shelf (0) and each of its tracks (1, 2, ...).
STEPS_PER_POSITION = 1 << 10
# A value whose logarithm is finite; below any that matters.
MIN_VALUE = 1e-12

PLACED_TRACKS = {
    "user": pl.Int32,
    "position": pl.Int32,
    "entry": pl.Int32,
    "code": pl.Int32,
    "p_shelf": pl.Float64,
    "rank": pl.Int32,
    "row": pl.Int32,
    "p_track": pl.Float64,
}


class ComposedPages(NamedTuple):
    """Pages: a row of SHOWN per track, in order of user, position and rank; which rules do not hold, bool [U, R]."""

    shown: pl.DataFrame
    broken: np.ndarray


@dataclass(frozen=True)
class Offer:
    """What the instances that are still there [S] would show at one position.

    is_there: bool [M], the members that they could show; left: int [N], how many more tracks by each candidate's artist
    the page may hold, None: any number; is_open: bool, there are enough.
    size, unheard: int, tracks, and those of them that are unheard; worth: the logarithm of their value.
    """

    is_there: np.ndarray
    left: np.ndarray | None
    is_open: np.ndarray
    size: np.ndarray
    unheard: np.ndarray
    worth: np.ndarray


def compose_pages(
    candidates: pl.DataFrame,
    shelves: Sequence[Shelf],
    policy: Policy,
    *,
    keys: np.ndarray,
    vectors: np.ndarray,
    demands: PageConstraints,
    composer: "Callable[..., Composer] | None" = None,
) -> ComposedPages:
    """Compose the pages of candidates in order of user and score.

    keys: uint64 [U], from which each user's numbers are drawn; vectors: float32 [tracks, D]. composer: makes what
    composes; default: Composer.
    """
    if candidates.is_empty():
        return ComposedPages(pl.DataFrame(schema=PLACED_TRACKS), np.zeros((0, demands.num_rules), dtype=bool))
    return (composer or Composer)(candidates, shelves, policy, keys, vectors, demands).pages()


class Composer:
    """Pages in the making; arrays over users [U], instances [S] and candidates [N]."""

    def __init__(
        self,
        candidates: pl.DataFrame,
        shelves: Sequence[Shelf],
        policy: Policy,
        keys: np.ndarray,
        vectors: np.ndarray,
        demands: PageConstraints,
    ) -> None:
        """Find what could stand on the pages; see compose()."""
        self.policy, self.keys, self.vectors, self.demands = policy, keys, vectors, demands
        self.rows = CandidateRows.of(candidates)
        self.found = find_instances(candidates, self.rows.user, self.rows.artist, shelves, demands.page_cap)
        self.user, self.entry = self.found.user, self.found.entry
        limit = np.array([shelf.max_tracks or policy.shelf_size for shelf in shelves])
        self.limit, self.discount = limit[self.entry], rank_discount(int(limit.max()), policy.shelf_size)
        self.heads = TopSlots(self.found, self.limit)
        self.minimum = np.minimum([shelf.min_tracks for shelf in shelves], limit)[self.entry]
        self.max_instances = np.array([shelf.max_instances for shelf in shelves])[self.entry]
        self.is_personal = np.array([shelf.is_personal for shelf in shelves])[self.entry]
        self.is_reserved = np.array([shelf.is_reserved for shelf in shelves])[self.entry]
        self.place, self.instance_at = self._places()
        shape = (len(keys), policy.max_shelves)
        self.standing = PageState(np.full(shape, -1, dtype=np.int32), np.zeros(shape, dtype=np.int32))
        self.n_placed = np.zeros((len(keys), len(shelves)), dtype=np.int32)
        self.is_placed = np.zeros(len(self.user), dtype=bool)
        self.tally = PageCounts.empty(self.rows, len(keys))
        self.placed = [pl.DataFrame(schema=PLACED_TRACKS)]

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Each instance's place among its user's, in order of entry and code, and which stands there, int [U, K]."""
        by_user = np.argsort(self.user, kind="stable")
        place = np.empty(len(self.user), dtype=np.int32)
        place[by_user] = rank_in_run(self.user[by_user])
        instance_at = np.full((len(self.keys), int(place.max(initial=-1)) + 1), -1, dtype=np.int32)
        instance_at[self.user, place] = np.arange(len(self.user))
        return place, instance_at

    def pages(self) -> ComposedPages:
        """Place the pinned shelves, then the others from the top until nothing is left for a user."""
        self._reserve()
        for pin in self.demands.pins:
            if pin.position < self.policy.max_shelves:
                self._place(pin.position, pin.is_for, self.entry == pin.entry)
        everyone = np.ones(len(self.keys), dtype=bool)
        for position in range(self.policy.max_shelves):
            self._place(position, everyone, np.ones(len(self.user), dtype=bool))
        shown = pl.concat(self.placed).sort("user", "position", "rank")
        # a pinned shelf may stand behind the end of what could be filled: it moves up
        shown = shown.with_columns(position=(pl.col("position").rank("dense").over("user") - 1).cast(pl.Int32))
        return ComposedPages(shown, self.demands.broken(self._standing(shown)))

    def _standing(self, shown: pl.DataFrame) -> PageState:
        """What stands on whole pages."""
        user, position, row = (shown[name].to_numpy() for name in ("user", "position", "row"))
        entry, unheard = np.full_like(self.standing.entry, -1), np.zeros_like(self.standing.unheard)
        entry[user, position] = shown["entry"].to_numpy()
        np.add.at(unheard, (user, position), self.rows.is_unheard[row])
        return PageState(entry, unheard)

    def _reserve(self) -> None:
        """Keep for a reserved shelf what it would show were it alone, and nothing else for it."""
        if not self.is_reserved.any():
            return
        is_there, instance = self.heads.is_there, self.found.instance
        members, _ = self.found.heads(np.flatnonzero(self.is_reserved), is_there, self.limit, self._left())
        is_enough = np.bincount(instance[members], minlength=len(self.user)) >= self.minimum
        members = members[is_enough[instance[members]]]
        owner = np.full(len(self.rows.user), -1, dtype=np.int32)
        owner[self.found.row[members]] = instance[members]
        mine = owner[self.found.row]
        is_there &= (mine == instance) | ((mine < 0) & ~self.is_reserved[instance])

    def _place(self, position: int, is_asked: np.ndarray, is_meant: np.ndarray) -> None:
        """Choose one of the instances meant (bool [S]) where the users asked for (bool [U]) have none, and fill it."""
        is_asked = is_asked & (self.standing.entry[:, position] < 0)
        offer = self._offer(is_asked[self.user] & is_meant)
        offered = ShelfOptions(self.user, self.entry, offer.unheard, self._with_fallback(offer))
        narrowed = self.demands.narrow(offered, self.standing, position)
        allowed = np.flatnonzero(prefer(narrowed, self.is_personal, self.user))
        if not len(allowed):
            return
        utility = np.full(self.instance_at.shape, MASKED)
        utility[self.user[allowed], self.place[allowed]] = offer.worth[allowed]
        users = np.unique(self.user[allowed])
        choice = self._choose(utility[users], users, position * STEPS_PER_POSITION)
        self._show(position, offer, self.instance_at[users, choice.option], choice.propensity)

    def _choose(self, utility: np.ndarray, users: np.ndarray, step: int) -> Choice:
        numbers = uniform_draws(self.keys[users], step) if self.policy.exploration else np.zeros(len(users))
        return sample_choice(utility, self.policy.exploration, numbers)

    def _offer(self, is_meant: np.ndarray) -> Offer:
        """Value what each instance would show now."""
        num_placed = self.n_placed[self.user, self.entry]
        is_open = is_meant & ~self.is_placed & (num_placed < self.max_instances)
        is_there, left = self.heads.is_there, self._left()
        if left is not None:
            is_there = is_there & (left[self.found.row] > 0)
        members = self.heads.of(is_open, is_there, left)
        rank = rank_in_run(self.found.instance[members])
        row, num = self.found.row[members], len(self.user)
        # added in the order of the rows: a sum of floats that does not depend on who shares the block
        add = partial(np.bincount, self.found.instance[members], minlength=num)
        size, unheard = add(), add(self.rows.is_unheard[row]).astype(np.int64)
        value = add(self.rows.score[row] * self.discount[rank])
        worth = np.log(np.maximum(value / (1 + num_placed), MIN_VALUE))
        return Offer(is_there, left, is_open & (size >= self.minimum), size, unheard, worth)

    def _with_fallback(self, offer: Offer) -> np.ndarray:
        """Which instances may take the place: on a page that would stay empty, the impersonal ones however short."""
        is_empty = np.all(self.standing.entry < 0, axis=1)
        is_empty[self.user[offer.is_open]] = False
        return offer.is_open | ((offer.size > 0) & ~self.is_personal & is_empty[self.user])

    def _left(self) -> np.ndarray | None:
        """How many more tracks by each candidate's artist its page may hold, int [N]; None: any number."""
        if not self.demands.has_page_cap:
            return None
        artist = self.rows.artist
        stand = self.tally.artist[artist]
        return np.maximum(self.demands.page_cap[self.rows.user] - stand, 0)

    def _show(self, position: int, offer: Offer, chosen: np.ndarray, p_shelf: np.ndarray) -> None:
        """Fill the chosen instances, one a user; shelves of one size at a time, the longest first (see fill())."""
        by_size = np.argsort(-offer.size[chosen], kind="stable")
        chosen, p_shelf = chosen[by_size], p_shelf[by_size]
        wanted = self.demands.wanted(self.standing, position)[self.user[chosen]]
        wanted = np.minimum(wanted, offer.unheard[chosen])
        is_used = np.zeros(len(self.rows.user), dtype=bool)
        for limit in np.unique(self.limit[chosen]):
            of = self.limit[chosen] == limit
            shown, p_track = fill_shelves(
                self._pool(offer, chosen[of], int(limit), wanted[of]),
                self.rows,
                self.tally,
                diversity=self.policy.diversity,
                calibration=self.policy.calibration * np.log2(position + 2),
                vectors=self.vectors,
                choose=partial(self._choose_track, position),
            )
            self._record(position, chosen[of], p_shelf[of], shown, p_track)
            is_used[shown[shown >= 0]] = True
        self.is_placed[chosen] = True
        self.n_placed[self.user[chosen], self.entry[chosen]] += 1
        self.heads.take_away(is_used)

    def _choose_track(self, position: int, utility: np.ndarray, users: np.ndarray, rank: int) -> Choice:
        return self._choose(utility, users, position * STEPS_PER_POSITION + 1 + rank)

    def _pool(self, offer: Offer, chosen: np.ndarray, limit: int, unheard: np.ndarray) -> Pool:
        """What the chosen instances, all of one size, could show."""
        width, found = limit * POOL_PER_TRACK, self.found
        most = np.full(len(self.user), width)
        members, rank = found.heads(np.sort(chosen), offer.is_there, most, offer.left)
        line = np.empty(len(self.user), dtype=np.int32)
        line[chosen] = np.arange(len(chosen))
        at = line[found.instance[members]]
        row, order = np.full((len(chosen), width), -1, dtype=np.int32), np.full((len(chosen), width), MASKED)
        row[at, rank], order[at, rank] = found.row[members], found.order[members]
        return Pool(row, order, offer.size[chosen], unheard)

    def _record(
        self, position: int, chosen: np.ndarray, p_shelf: np.ndarray, shown: np.ndarray, p_track: np.ndarray
    ) -> None:
        """Keep what is shown (see fill())."""
        line, rank = np.nonzero(shown >= 0)
        row, of = shown[line, rank], chosen[line]
        columns = (
            self.user[of],
            np.full(len(of), position),
            self.entry[of],
            self.found.code[of],
            p_shelf[line],
            rank,
            row,
            p_track[line, rank],
        )
        self.placed.append(pl.DataFrame(dict(zip(PLACED_TRACKS, columns, strict=True)), schema=PLACED_TRACKS))
        self.standing.entry[self.user[chosen], position] = self.entry[chosen]
        np.add.at(self.standing.unheard, (self.user[of], position), self.rows.is_unheard[row])
