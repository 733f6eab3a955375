"""RULE_KINDS: the kinds of rules. Adding a kind of rule is adding an entry here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from transforms.catalog.names import name_key
from transforms.pages.rules.page_state import PageState, ShelfOptions
from transforms.pages.rules.rule import PAGE_KEY, RuleKind
from transforms.pages.rules.values import Count, OneOrMore, OnlyTrue, ShelfId, Texts, TwoOrMore
from transforms.plugins import plugin_entries


@dataclass(frozen=True)
class Pin(RuleKind):
    """A shelf stands at a position, counted from 0."""

    key: ClassVar[str] = "pin"
    shelf: ShelfId
    position: Count

    def pinned_shelf(self) -> tuple[str, int]:
        """Return the shelf and its position."""
        return self.shelf, self.position

    def is_violated(self, state: PageState) -> np.ndarray:
        """Return the pages where another shelf, or none, stands at the position."""
        is_shelf = state.is_shelf(self.shelf)
        if self.position >= is_shelf.shape[1]:
            return np.ones(len(is_shelf), dtype=bool)
        return np.asarray(~is_shelf[:, self.position])

    def violations(self, pages: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
        """Return the pages without a card of the shelf at the position."""
        is_there = (pl.col("shelf_position") == self.position) & (pl.col("shelf_id") == self.shelf)
        return pages.join(cards.filter(is_there), on=PAGE_KEY, how="anti")


@dataclass(frozen=True)
class Exclude(RuleKind):
    """Tracks, artists, genres or explicit tracks that no page shows."""

    key: ClassVar[str] = "exclude"
    tracks: Texts = ()
    artists: Texts = ()
    genres: Texts = ()
    explicit: OnlyTrue = False

    def excludes(self) -> pl.Expr:
        """Return whether a track, with the columns of the catalog, is excluded; a missing value excludes nothing."""
        named = {"track_id": self.tracks, "artist_id": self.artists}
        is_named = [pl.col(column).is_in(values) for column, values in named.items()]
        # the catalog has genres in one form
        is_named.append(pl.col("genre_name").str.to_lowercase().is_in(self._genre_keys()))
        is_explicit = [pl.col("explicit")] if self.explicit else []
        return pl.any_horizontal(one.fill_null(False) for one in (*is_named, *is_explicit))

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return all that is excluded by name."""
        return {"track_id": self.tracks, "artist_id": self.artists, "genre": self.genres}

    def _genre_keys(self) -> list[str]:
        """Return the genres as the keys of their names."""
        return (
            pl.Series(self.genres, dtype=pl.String)
            .to_frame("genre")
            .select(name_key(pl.col("genre")))["genre"]
            .to_list()
        )

    def violations(self, pages: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
        """Return the pages with an excluded track."""
        return cards.filter(self.excludes()).unique(PAGE_KEY)


@dataclass(frozen=True)
class Cap(RuleKind):
    """A page holds at most `artist` tracks by one artist."""

    key: ClassVar[str] = "cap"
    artist: OneOrMore

    def max_tracks_by_artist(self) -> int:
        """Return the cap."""
        return self.artist

    def violations(self, pages: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
        """Return the pages with more tracks by one known artist."""
        counts = cards.drop_nulls("artist_id").group_by(*PAGE_KEY, "artist_id").len()
        return counts.filter(pl.col("len") > self.artist).unique(PAGE_KEY)


@dataclass(frozen=True)
class Quota(RuleKind):
    """The first `shelves` shelves together hold at least `unplayed` tracks that the user has never played."""

    key: ClassVar[str] = "quota"
    unplayed: OneOrMore
    shelves: OneOrMore

    def wanted_unplayed(self, state: PageState, position: int) -> np.ndarray:
        """Return an equal part of what is missing, so that the shelves still to come need not bring more, int [U]."""
        if position >= self.shelves:
            return np.zeros(len(state.shelf_index), dtype=np.int64)
        missing = self.unplayed - state.num_unplayed(self.shelves)
        num_open = (state.shelf_index[:, : self.shelves] < 0).sum(axis=1)
        return np.asarray(-(-np.maximum(missing, 0) // np.maximum(num_open, 1)))

    def allows(self, options: ShelfOptions, state: PageState, position: int) -> np.ndarray:
        """Return the instances with enough unplayed tracks; where a user has none, those with the most."""
        wanted = self.wanted_unplayed(state, position)[options.user]
        largest = np.full(len(state.shelf_index), -1)
        np.maximum.at(largest, options.user[options.is_open], options.unplayed[options.is_open])
        return np.asarray(options.unplayed >= np.minimum(wanted, np.maximum(largest, 0)[options.user]))

    def is_violated(self, state: PageState) -> np.ndarray:
        """Return the pages with fewer unplayed tracks on their first shelves."""
        return state.num_unplayed(self.shelves) < self.unplayed

    def violations(self, pages: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
        """Return the pages with fewer cards, on their first shelves, of tracks without a listen."""
        on_top = cards.filter((pl.col("shelf_position") < self.shelves) & (pl.col("listened") == 0))
        enough = on_top.group_by(PAGE_KEY).len().filter(pl.col("len") >= self.unplayed)
        return pages.join(enough, on=PAGE_KEY, how="anti")


@dataclass(frozen=True)
class Spacing(RuleKind):
    """Positions of two instances of one shelf differ by at least `apart`."""

    key: ClassVar[str] = "space"
    shelf: ShelfId
    apart: TwoOrMore

    def allows(self, options: ShelfOptions, state: PageState, position: int) -> np.ndarray:
        """Return the instances of other shelves, and those without another instance near the position."""
        near = slice(max(position - self.apart + 1, 0), position + self.apart)
        is_near = np.asarray(state.is_shelf(self.shelf)[:, near].any(axis=1))
        is_other = options.shelf_index != state.index(self.shelf)
        return np.asarray(is_other | ~is_near[options.user])

    def is_violated(self, state: PageState) -> np.ndarray:
        """Return the pages where two instances stand nearer."""
        is_shelf = state.is_shelf(self.shelf)
        is_near = np.zeros(len(is_shelf), dtype=bool)
        for step in range(1, min(self.apart, is_shelf.shape[1])):
            is_near |= np.any(is_shelf[:, step:] & is_shelf[:, :-step], axis=1)
        return is_near

    def violations(self, pages: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
        """Return the pages where two shelves of this id stand nearer."""
        shelves = cards.unique([*PAGE_KEY, "shelf_position"], keep="first", maintain_order=True)
        same = shelves.filter(pl.col("shelf_id") == self.shelf).sort(*PAGE_KEY, "shelf_position")
        return same.filter(pl.col("shelf_position").diff().over(PAGE_KEY) < self.apart).unique(PAGE_KEY)


RULE_KINDS: tuple[type[RuleKind], ...] = (Pin, Exclude, Cap, Quota, Spacing, *plugin_entries("RULE_KINDS"))
