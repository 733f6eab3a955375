"""Rules of a manifest, and the pages that they are checked on."""

from datetime import date, datetime, timezone

import polars as pl

from pipelines.check.facts import Truth
from pipelines.check.rules import find_rule_violations
from transforms.pages.rules.read_rules import parse_rules

RULES = parse_rules(
    """
rules:
  - name: pinned
    pin: {shelf: fresh, position: 0}
    when: {markets: [se, NO], surfaces: [home], from: 2026-01-01, until: 2026-01-31, min_plays: 3, max_plays: 9}
""",
    ["fresh"],
    ["home"],
)


def test_a_rule_is_checked_on_the_pages_it_applies_to_and_not_on_relaxed_ones() -> None:
    """Four users: sound, violating, relaxed, and relaxed although the rule is not for the user's market."""
    users = pl.DataFrame({"user_id": list("abcd"), "all_plays": [5, 5, 5, 5], "market": ["SE", "NO", "SE", "DE"]})
    empty = pl.DataFrame()
    truth = Truth(datetime(2026, 1, 10, tzinfo=timezone.utc), empty, empty, empty, users, users)
    relaxed = [[], [], ["pinned"], ["pinned"]]
    pages = pl.DataFrame({"user_id": list("abcd"), "surface": "home", "relaxed": relaxed})
    cards = pl.DataFrame({"user_id": list("abcd"), "surface": "home", "shelf_position": 0, "shelf_id": "mix"})
    cards = cards.with_columns(shelf_id=pl.when(pl.col("user_id") == "a").then(pl.lit("fresh")).otherwise("shelf_id"))
    (finding,) = find_rule_violations(pages, cards, truth, RULES)
    assert (finding.claim, finding.num_checked) == ("rule: pinned", 2)
    assert sorted(finding.violations.rows()) == [("b", "home"), ("d", "relaxed, but not meant for the page")]
    other_day = Truth(datetime(2026, 3, 1, tzinfo=timezone.utc), empty, empty, empty, users, users)
    (finding,) = find_rule_violations(pages[:2], cards, other_day, RULES)
    assert finding.num_checked == 0 and date(2026, 1, 31) == RULES[0].when.until
