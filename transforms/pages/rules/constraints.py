"""Requirements of the rules on the pages of a block of users while these are composed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.events.market_codes import market_code
from transforms.pages.rules.page_state import PageState, ShelfOptions
from transforms.pages.rules.rule import Audience, Rule

# More tracks than any page holds.
NO_CAP = 1 << 30


class PinnedShelf(NamedTuple):
    """A shelf that some users' (bool [U]) pages must hold at a position."""

    shelf_id: str
    position: int
    is_for: np.ndarray


@dataclass(frozen=True)
class PageConstraints:
    """Rules, and for which users each is active: bool [U, R]."""

    rules: Sequence[Rule]
    is_active: np.ndarray

    @cached_property
    def artist_cap(self) -> np.ndarray:
        """Return how many tracks by one artist each page may hold, int [U]; NO_CAP: any number."""
        cap = np.full(len(self.is_active), NO_CAP)
        for rule, is_for in self._active():
            most = rule.kind.max_tracks_by_artist()
            if most is not None:
                cap = np.where(is_for, np.minimum(cap, most), cap)
        return cap

    @cached_property
    def has_artist_cap(self) -> bool:
        """Return whether any page is limited in its tracks by one artist."""
        return bool((self.artist_cap < NO_CAP).any())

    def pinned_shelves(self) -> Iterator[PinnedShelf]:
        """Yield the shelves that are placed before all others, in order of the rules."""
        for rule, is_for in self._active():
            pinned = rule.kind.pinned_shelf()
            if pinned is not None:
                yield PinnedShelf(*pinned, is_for)

    def wanted_unplayed(self, state: PageState, position: int) -> np.ndarray:
        """Return how many unplayed tracks the shelf at a position should bring, int [U]."""
        most = np.zeros(len(self.is_active), dtype=np.int64)
        for rule, is_for in self._active():
            wanted = rule.kind.wanted_unplayed(state, position)
            if wanted is not None:
                most = np.maximum(most, np.where(is_for, wanted, 0))
        return most

    def narrow(self, options: ShelfOptions, state: PageState, position: int) -> np.ndarray:
        """Return the open instances that suit one rule after the other, bool [S]; a rule that none suits is skipped."""
        is_open = options.is_open
        for rule, is_for in self._active():
            allowed = rule.kind.allows(replace(options, is_open=is_open), state, position)
            if allowed is not None:
                is_open = prefer(is_open, allowed | ~is_for[options.user], options.user)
        return is_open

    def violated(self, state: PageState) -> np.ndarray:
        """Return which rules finished pages break, bool [U, R]."""
        violated = np.zeros(self.is_active.shape, dtype=bool)
        for number, (rule, is_for) in enumerate(self._active()):
            is_violated = rule.kind.is_violated(state)
            if is_violated is not None:
                violated[:, number] = is_for & is_violated
        return violated

    def _active(self) -> Iterator[tuple[Rule, np.ndarray]]:
        return zip(self.rules, self.is_active.T, strict=True)


def prefer(is_open: np.ndarray, is_better: np.ndarray, user: np.ndarray) -> np.ndarray:
    """Keep only the better of each user's open instances, where the user has any; bool [S]."""
    better = is_open & is_better
    has_better = np.bincount(user, better) > 0
    return np.where(has_better[user], better, is_open) if len(user) else is_open


def audience_mask(rules: Sequence[Rule], users: pl.DataFrame, surface: str, day: date) -> np.ndarray:
    """Return which users each rule applies to, bool [U, R]; users: user_plays, market (code)."""
    is_in = np.zeros((len(users), len(rules)), dtype=bool)
    for number, rule in enumerate(rules):
        is_in[:, number] = _is_in(rule.when, users, surface, day)
    return is_in


def _is_in(when: Audience, users: pl.DataFrame, surface: str, day: date) -> np.ndarray:
    if not (when.since <= day <= when.until) or (when.surfaces and surface not in when.surfaces):
        return np.zeros(len(users), dtype=bool)
    is_in = pl.col("user_plays").is_between(when.min_plays, when.max_plays)
    if when.markets:
        codes = pl.Series("market", when.markets).to_frame().select(market_code(pl.col("market"))).to_series()
        is_in &= pl.col("market").is_in(codes.implode()).fill_null(False)
    return users.select(is_in=is_in)["is_in"].to_numpy()


def excluded_mask(rule: Rule, candidates: pl.DataFrame, catalog: Catalog) -> np.ndarray:
    """Return which candidates a rule excludes, bool [N]."""
    excludes = rule.kind.excludes()
    if excludes is None:
        return np.zeros(len(candidates), dtype=bool)
    is_excluded = catalog.tracks.select(is_excluded=excludes)["is_excluded"].to_numpy()
    return np.asarray(is_excluded[candidates["track"].to_numpy()])
