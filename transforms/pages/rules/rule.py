"""Rule: a requirement on pages, for whom and when; RuleKind: the interface of the kinds of rules."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Annotated, Any, ClassVar, cast

import numpy as np
import polars as pl
from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from transforms.pages.rules.page_state import PageState, ShelfOptions
from transforms.pages.rules.values import Count, Day, Market, Surface

# Columns that identify one published page.
PAGE_KEY = ("user_id", "surface")


class RulesError(ValueError):
    """Rules that cannot be read; the message names the file and the line."""


@dataclass(frozen=True)
class Audience:
    """Users, surfaces and days that a rule applies to; an empty field excludes nobody.

    markets: ISO 3166 codes; a user whose market is unknown is in none of them. since, until: days, both included.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    markets: Annotated[tuple[Market, ...], Field(min_length=1)] = ()
    surfaces: Annotated[tuple[Surface, ...], Field(min_length=1)] = ()
    since: Annotated[Day, Field(alias="from")] = date.min
    until: Day = date.max
    min_plays: Count = 0
    max_plays: Count = 1 << 30

    @field_validator("until")
    @classmethod
    def _is_some_day(cls, until: date, info: ValidationInfo) -> date:
        if until < info.data.get("since", until):
            raise ValueError("'from' is above 'until': the rule would never apply")
        return until

    @field_validator("max_plays")
    @classmethod
    def _is_some_count(cls, max_plays: int, info: ValidationInfo) -> int:
        if max_plays < info.data.get("min_plays", max_plays):
            raise ValueError("'min_plays' is above 'max_plays': the rule would never apply")
        return max_plays


class RuleKind:
    """A requirement on pages: a frozen dataclass of the values of one rule, which overrides the methods it needs.

    Its fields are the keys of the rule in YAML, below the key of the kind; their types (see values) say what is read.
    Composition asks the first five methods; `homeshelf check` asks violations() about the published pages. The latter
    must use nothing that composition computed.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    key: ClassVar[str]

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """Return the keys below the key of the kind."""
        return tuple(one.name for one in fields(cast(Any, cls)))

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
