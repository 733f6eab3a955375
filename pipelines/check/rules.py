"""Check published pages against the rules in the manifest; each kind judges by the cards."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import polars as pl

from pipelines.check.facts import Truth
from pipelines.check.finding import Finding
from transforms.pages.rules.rule import PAGE_KEY, Audience, Rule


def find_rule_violations(
    pages: pl.DataFrame, cards: pl.DataFrame, truth: Truth, rules: Sequence[Rule]
) -> Iterator[Finding]:
    """Check one rule after the other on the pages that it applies to and is not relaxed for.

    pages: user_id, surface, relaxed. cards: see cards_with_truth().
    """
    facts = pages.join(truth.users, on="user_id", how="left", maintain_order="left")
    for rule in rules:
        meant = facts.filter(is_meant(rule.when, truth))
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


def is_meant(when: Audience, truth: Truth) -> pl.Expr:
    """Return whether a rule is meant for a row with surface, market and all_plays."""
    day = (truth.as_of - timedelta(microseconds=1)).date()
    is_meant = pl.lit(when.since <= day <= when.until)
    if when.surfaces:
        is_meant &= pl.col("surface").is_in(when.surfaces)
    if when.markets:
        is_meant &= pl.col("market").is_in(when.markets).fill_null(False)
    return is_meant & pl.col("all_plays").is_between(when.min_plays, when.max_plays)
