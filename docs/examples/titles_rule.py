"""A kind of rule: no track whose title contains one of some texts, such as "karaoke" or "white noise"."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from transforms.pages.rules.rule import PAGE_KEY, RuleKind
from transforms.pages.rules.values import Texts


@dataclass(frozen=True)
class ExcludeTitles(RuleKind):
    """No title contains one of the texts, in capitals or not."""

    key: ClassVar[str] = "exclude_titles"
    containing: Texts

    def excludes(self) -> pl.Expr:
        """Return whether a track of the catalog is excluded; the pages are composed without it."""
        title = pl.col("title").str.to_lowercase()
        texts = [text.lower() for text in self.containing]
        return pl.any_horizontal(title.str.contains(text, literal=True) for text in texts).fill_null(False)

    def violations(self, pages: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
        """Return the published pages that show such a title; `cards` has the titles of today's catalog."""
        return cards.filter(self.excludes()).unique(PAGE_KEY)


RULE_KINDS = (ExcludeTitles,)
