"""What the rules demand of the pages of a block of users, and which of it does not hold in the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.events.market_codes import market_code
from transforms.pages.rules import Rule
from transforms.pages.shelf_instances import NO_CAP
from transforms.pages.shelves import Shelf


@dataclass
class PageState:
    """What stands on the pages so far: entry int [U, positions], -1: nothing yet; unheard: tracks there, int."""

    entry: np.ndarray
    unheard: np.ndarray


@dataclass(frozen=True)
class Pin:
    """An entry that must stand at a position."""

    rule: int
    is_for: np.ndarray
    entry: int
    position: int

    def is_broken(self, standing: PageState) -> np.ndarray:
        """Whether it does not stand there, bool [U]."""
        if self.position >= standing.entry.shape[1]:
            return np.ones(len(standing.entry), dtype=bool)
        return standing.entry[:, self.position] != self.entry


@dataclass(frozen=True)
class Quota:
    """So many unheard tracks, at least, on so many shelves from the top."""

    rule: int
    is_for: np.ndarray
    tracks: int
    shelves: int

    def wanted(self, standing: PageState, position: int) -> np.ndarray:
        """How many of them the shelf at a position should bring, so that those yet to come need not bring more."""
        if position >= self.shelves:
            return np.zeros(len(self.is_for), dtype=np.int64)
        missing = self.tracks - standing.unheard[:, : self.shelves].sum(axis=1)
        num_open = (standing.entry[:, : self.shelves] < 0).sum(axis=1)
        return np.where(self.is_for, -(-np.maximum(missing, 0) // np.maximum(num_open, 1)), 0)

    def allows(self, offered: "ShelfOptions", standing: PageState, position: int) -> np.ndarray:
        """Instances with enough of them; where none has, those with the most."""
        wanted = self.wanted(standing, position)[offered.user]
        most = np.full(len(self.is_for), -1)
        np.maximum.at(most, offered.user[offered.is_open], offered.unheard[offered.is_open])
        return offered.unheard >= np.minimum(wanted, np.maximum(most, 0)[offered.user])

    def is_broken(self, standing: PageState) -> np.ndarray:
        """Whether there are fewer."""
        return standing.unheard[:, : self.shelves].sum(axis=1) < self.tracks


@dataclass(frozen=True)
class Spacing:
    """Shelves of an entry stand so far apart, at least."""

    rule: int
    is_for: np.ndarray
    entry: int
    apart: int

    def allows(self, offered: "ShelfOptions", standing: PageState, position: int) -> np.ndarray:
        """Instances of other entries, and those with none of theirs near."""
        near = slice(max(position - self.apart + 1, 0), position + self.apart)
        is_near = (standing.entry[:, near] == self.entry).any(axis=1)
        return (offered.entry != self.entry) | ~(is_near & self.is_for)[offered.user]

    def is_broken(self, standing: PageState) -> np.ndarray:
        """Whether any two stand nearer."""
        is_it = standing.entry == self.entry
        steps = range(1, min(self.apart, is_it.shape[1]))
        return np.any(
            [np.any(is_it[:, step:] & is_it[:, :-step], axis=1) for step in steps] or [is_it[:, 0] & False], 0
        )


@dataclass(frozen=True)
class ShelfOptions:
    """Instances that could take a place: user, entry, unheard tracks that they would show; whether they may; [S]."""

    user: np.ndarray
    entry: np.ndarray
    unheard: np.ndarray
    is_open: np.ndarray


@dataclass(frozen=True)
class PageConstraints:
    """All of them; num_rules counts also those that were met before composition (exclude, cap)."""

    num_rules: int
    page_cap: np.ndarray
    pins: tuple[Pin, ...] = ()
    others: tuple[Quota | Spacing, ...] = field(default=())

    @classmethod
    def none(cls, num_users: int) -> "PageConstraints":
        """No rule."""
        return cls(0, np.full(num_users, NO_CAP))

    @property
    def has_page_cap(self) -> bool:
        """Whether any page holds so many tracks by one artist only."""
        return bool((self.page_cap < NO_CAP).any())

    def wanted(self, standing: PageState, position: int) -> np.ndarray:
        """How many unheard tracks the shelf at a position should bring, int [U]."""
        quotas = [one.wanted(standing, position) for one in self.others if isinstance(one, Quota)]
        return np.max([np.zeros(len(self.page_cap), dtype=np.int64), *quotas], axis=0)

    def narrow(self, offered: ShelfOptions, standing: PageState, position: int) -> np.ndarray:
        """Which instances are left, bool [S]: by one rule after the other; one that leaves none is passed over."""
        is_open = offered.is_open
        for one in self.others:
            still = ShelfOptions(offered.user, offered.entry, offered.unheard, is_open)
            is_open = prefer(is_open, one.allows(still, standing, position) | ~one.is_for[offered.user], offered.user)
        return is_open

    def broken(self, standing: PageState) -> np.ndarray:
        """Which rules do not hold of whole pages, bool [U, R]."""
        broken = np.zeros((len(self.page_cap), self.num_rules), dtype=bool)
        for one in (*self.pins, *self.others):
            broken[:, one.rule] |= one.is_for & one.is_broken(standing)
        return broken


def prefer(is_open: np.ndarray, is_better: np.ndarray, user: np.ndarray) -> np.ndarray:
    """Keep each user's better ones among the open, if there are any."""
    better = is_open & is_better
    has_better = np.bincount(user, better) > 0
    return np.where(has_better[user], better, is_open) if len(user) else is_open


def build_constraints(rules: Sequence[Rule], is_active: np.ndarray, shelves: Sequence[Shelf]) -> PageConstraints:
    """What the rules that are active for each user (bool [U, R]) demand; an entry that is not there cannot stand."""
    entry_of = {shelf.id: entry for entry, shelf in enumerate(shelves)}
    pins: list[Pin] = []
    others: list[Quota | Spacing] = []
    page_cap = np.full(len(is_active), NO_CAP)
    for place, rule in enumerate(rules):
        is_for = is_active[:, place]
        if rule.pin:
            pins.append(Pin(place, is_for, entry_of.get(rule.pin[0], -2), rule.pin[1]))
        elif rule.quota:
            others.append(Quota(place, is_for, *rule.quota))
        elif rule.space:
            others.append(Spacing(place, is_for, entry_of.get(rule.space[0], -2), rule.space[1]))
        elif rule.cap:
            page_cap = np.where(is_for, np.minimum(page_cap, rule.cap), page_cap)
    return PageConstraints(len(rules), page_cap, tuple(pins), tuple(others))


def audience_mask(rules: Sequence[Rule], users: pl.DataFrame, surface: str, day: date) -> np.ndarray:
    """Whom each rule is for, bool [U, R]; users: user_plays, market (code)."""
    is_in = np.zeros((len(users), len(rules)), dtype=bool)
    for place, rule in enumerate(rules):
        is_in[:, place] = _is_in(rule, users, surface, day)
    return is_in


def _is_in(rule: Rule, users: pl.DataFrame, surface: str, day: date) -> np.ndarray:
    when = rule.when
    if not (when.since <= day <= when.until) or (when.surfaces and surface not in when.surfaces):
        return np.zeros(len(users), dtype=bool)
    is_in = pl.col("user_plays").is_between(when.min_plays, when.max_plays)
    if when.markets:
        codes = pl.Series("market", when.markets).to_frame().select(market_code(pl.col("market"))).to_series()
        is_in &= pl.col("market").is_in(codes.implode()).fill_null(False)
    return users.select(is_in=is_in)["is_in"].to_numpy()


def excluded_mask(rule: Rule, candidates: pl.DataFrame, catalog: Catalog) -> np.ndarray:
    """Which candidates an exclude rule is about, bool [N]."""
    what: dict[str, Any] = rule.exclude or {}
    columns = {"tracks": "track_id", "artists": "artist_id", "genres": "genre_name"}
    tracks = catalog.tracks
    is_it = np.zeros(len(tracks), dtype=bool)
    for name, column in columns.items():
        if name in what:
            is_it |= tracks[column].is_in(what[name]).fill_null(False).to_numpy()
    if "explicit" in what:
        is_it |= tracks["explicit"].fill_null(False).to_numpy()
    return is_it[candidates["track"].to_numpy()]
