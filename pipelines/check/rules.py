"""Check published pages against the rules in the manifest, which are read here anew; each kind judges by the cards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import yaml

from pipelines.check.facts import Truth
from pipelines.check.finding import Finding
from transforms.pages.rules.rule import PAGE_KEY, Audience, Rule
from transforms.pages.rules.rule_kinds import RULE_KINDS


@dataclass(frozen=True)
class _PlainFields:
    """The values of one rule, all of them texts or lists of texts; the run has accepted them (see RuleFields)."""

    values: Mapping[str, str | list[str]]

    def given(self, name: str) -> bool:
        return name in self.values

    def shelf(self, name: str) -> str:
        return str(self.values[name])

    def integer(self, name: str, minimum: int) -> int:
        return int(str(self.values[name]))

    def strings(self, name: str) -> tuple[str, ...]:
        return tuple(self.values[name])

    def flag(self, name: str) -> bool:
        return name in self.values


def read_manifest_rules(text: str) -> list[Rule]:
    """Return the rules of a manifest; a rule without a name is called by its kind and line."""
    found = (yaml.load(text, Loader=yaml.BaseLoader) or {}).get("rules") or []
    return [_read_rule(values, line) for values, line in zip(found, _lines(text), strict=True)]


def _lines(text: str) -> list[int]:
    root = yaml.compose(text, Loader=yaml.BaseLoader)
    return [] if root is None else [node.start_mark.line + 1 for _, rules in root.value for node in rules.value]


def _read_rule(values: Mapping[str, dict[str, str | list[str]]], line: int) -> Rule:
    (kind,) = (kind for kind in RULE_KINDS if kind.key in values)
    name = str(values.get("name", f"{kind.key} of line {line}"))
    return Rule(name, line, _read_audience(values.get("when", {})), kind.read(_PlainFields(values[kind.key])))


def _read_audience(when: Mapping[str, str | list[str]]) -> Audience:
    return Audience(
        tuple(market.upper() for market in when.get("markets", ())),
        tuple(when.get("surfaces", ())),
        date.fromisoformat(str(when.get("from", date.min))),
        date.fromisoformat(str(when.get("until", date.max))),
        int(str(when.get("min_plays", 0))),
        int(str(when.get("max_plays", 1 << 30))),
    )


def find_rule_violations(
    pages: pl.DataFrame, cards: pl.DataFrame, truth: Truth, rules: Sequence[Rule]
) -> Iterator[Finding]:
    """Check one rule after the other on the pages that it applies to and is not relaxed for.

    pages: user_id, surface, relaxed. cards: see cards_with_truth().
    """
    facts = pages.join(truth.users, on="user_id", how="left", maintain_order="left")
    for rule in rules:
        meant = facts.filter(_is_meant(rule.when, truth))
        is_relaxed = pl.col("relaxed").list.contains(rule.name)
        wrongly = pages.filter(is_relaxed).join(meant, on=PAGE_KEY, how="anti")
        bound = meant.filter(~is_relaxed).select(PAGE_KEY)
        violating = rule.kind.violations(bound, cards.join(bound, on=PAGE_KEY, maintain_order="left"))
        wrong = pl.concat(
            [
                violating.select("user_id", what=pl.col("surface")),
                wrongly.select("user_id", what=pl.lit("relaxed, but not meant for the page")),
            ]
        )
        yield Finding(f"rule: {rule.name}", len(bound), wrong)


def _is_meant(when: Audience, truth: Truth) -> pl.Expr:
    day = (truth.as_of - timedelta(microseconds=1)).date()
    is_meant = pl.lit(when.since <= day <= when.until)
    if when.surfaces:
        is_meant &= pl.col("surface").is_in(when.surfaces)
    if when.markets:
        is_meant &= pl.col("market").is_in(when.markets).fill_null(False)
    return is_meant & pl.col("all_plays").is_between(when.min_plays, when.max_plays)
