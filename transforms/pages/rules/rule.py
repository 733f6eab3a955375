"""Rule: a requirement on pages, for whom and when; RuleKind: the interface of the kinds of rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Protocol

import numpy as np
import polars as pl

from transforms.pages.rules.page_state import PageState, ShelfOptions

# Columns that identify one published page.
PAGE_KEY = ("user_id", "surface")


class RulesError(ValueError):
    """Rules that cannot be read; the message names the file and the line."""


@dataclass(frozen=True)
class Audience:
    """Users, surfaces and days that a rule applies to; an empty field excludes nobody.

    markets: ISO 3166 codes; a user whose market is unknown is in none of them. since, until: days, both included.
    """

    markets: tuple[str, ...] = ()
    surfaces: tuple[str, ...] = ()
    since: date = date.min
    until: date = date.max
    min_plays: int = 0
    max_plays: int = 1 << 30


class RuleFields(Protocol):
    """The values below the key of one rule in YAML; a wrong value raises RulesError, which names the line."""

    def given(self, name: str) -> bool:
        """Return whether the rule has this field."""

    def shelf(self, name: str) -> str:
        """Return the id of a shelf."""

    def integer(self, name: str, minimum: int) -> int:
        """Return a whole number of at least `minimum`."""

    def strings(self, name: str) -> tuple[str, ...]:
        """Return a list of strings."""

    def flag(self, name: str) -> bool:
        """Return True for a field that can only be true; False where it is absent."""


class RuleKind:
    """A requirement on pages: a frozen dataclass of the values of one rule, which overrides the methods it needs.

    Composition asks the first five methods; `homeshelf check` asks violations() about the published pages. The latter
    must use nothing that composition computed. key: the key of the kind in YAML; fields: the keys below it.
    """

    key: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]

    @classmethod
    def read(cls, fields: RuleFields) -> "RuleKind":
        """Build the kind from the values of one rule.

        Raises:
            RulesError: a value is missing or wrong.
        """
        raise NotImplementedError

    def excludes(self) -> pl.Expr | None:
        """Return an expression (bool) over tracks of the catalog that may not be shown; None: every track may be."""
        return None

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names of what the catalog should have, by column; a genre stands below `genre`."""
        return {}

    def max_tracks_by_artist(self) -> int | None:
        """Return how many tracks by one artist a page may hold; None: any number."""
        return None

    def pinned_shelf(self) -> tuple[str, int] | None:
        """Return the id of a shelf that is placed before all others and its position; None: no shelf is."""
        return None

    def wanted_unplayed(self, state: PageState, position: int) -> np.ndarray | None:
        """Return how many unplayed tracks the shelf at a position should bring, int [U]; None: it does not matter."""
        return None

    def allows(self, options: ShelfOptions, state: PageState, position: int) -> np.ndarray | None:
        """Return which shelf instances suit the rule at a position, bool [S]; None: all do."""
        return None

    def is_violated(self, state: PageState) -> np.ndarray | None:
        """Return which finished pages break the rule, bool [U]; None: composition cannot break it."""
        return None

    def violations(self, pages: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
        """Return the published pages that break the rule: user_id, surface.

        pages: user_id, surface of the pages that the rule applies to. cards: their published cards in order, with what
        is true of user and track (see pipelines/check/shelves.py).
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Rule:
    """One rule: its name, the line of the file where it begins, whom it applies to, and what must hold."""

    name: str
    line: int
    when: Audience
    kind: RuleKind
