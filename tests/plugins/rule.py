"""A kind of rule: no titles that begin with some text."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from transforms.pages.rules.rule import PAGE_KEY, RuleFields, RuleKind


@dataclass(frozen=True)
class TitleBan(RuleKind):
    """No track whose title begins with one of `prefixes`."""

    key: ClassVar[str] = "toy_ban_titles"
    fields: ClassVar[tuple[str, ...]] = ("prefixes",)
    prefixes: tuple[str, ...]

    @classmethod
    def read(cls, fields: RuleFields) -> "TitleBan":
        return cls(fields.strings("prefixes"))

    def excludes(self) -> pl.Expr:
        return pl.any_horizontal(pl.col("title").str.starts_with(prefix) for prefix in self.prefixes)

    def violations(self, pages: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
        return cards.filter(self.excludes()).unique(PAGE_KEY)


RULE_KINDS = (TitleBan,)
