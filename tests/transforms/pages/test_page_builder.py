"""Rules on whole pages: their audience, and which of them give way where not all can hold."""

from collections import Counter
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from tests.transforms.pages.small_pages import (
    NUM_TRACKS,
    POLICY,
    SOME,
    pages_of,
    scored,
    tracks_on,
)
from transforms.events.market_codes import market_code
from transforms.pages.rules.rule import Audience, Rule, RuleKind
from transforms.pages.rules.rule_kinds import Cap, Exclude, Pin, Quota

EVERYONE = Audience()


def rule(name: str, kind: RuleKind, when: Audience = EVERYONE) -> Rule:
    return Rule(name, 1, when, kind)


def test_excluded_tracks_are_nowhere() -> None:
    excluded = Exclude(("t06",), ("a1",), ("jazz",), explicit=True)
    for page in pages_of(scored(*SOME), rules=(rule("x", excluded),)):
        codes = [int(track[1:]) for track in tracks_on(page)]
        assert codes and not page["relaxed"]
        assert all(code != 6 and code % 7 != 1 and code % 3 != 1 and code % 5 for code in codes)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (Audience(), True),
        (Audience(surfaces=("discover",)), False),
        (Audience(since=date(2026, 1, 1)), False),
        (Audience(until=date(2025, 12, 31)), True),
        (Audience(until=date(2025, 12, 30)), False),
        (Audience(min_plays=8), False),
        (Audience(max_plays=6), False),
        (Audience(markets=("SE",)), True),
        (Audience(markets=("NO",)), False),
    ],
)
def test_a_rule_is_for_its_audience_on_its_days(when: Audience, holds: bool) -> None:
    """The day is the 31st of December: the run stands at the midnight that ends it."""
    swedish = pl.Series(["se"]).to_frame("m").select(market_code(pl.col("m"))).item()
    rows = [{**row, "user_plays": 7.0, "market": swedish} for row in SOME[:NUM_TRACKS]]
    (page,) = pages_of(scored(*rows), rules=(rule("x", Pin("fresh", 0), when),))
    assert (page["shelves"][0]["shelf_id"] == "fresh") == holds


def test_infeasible_rules_give_a_page_with_the_least_important_one_relaxed() -> None:
    everything = Exclude(tuple(f"t{code:02d}" for code in range(NUM_TRACKS)))
    pin, nothing = rule("pin", Pin("popular_now", 0)), rule("nothing", everything)
    for page in pages_of(scored(*SOME), rules=(pin, nothing)):
        assert page["relaxed"] == ["nothing"] and page["shelves"][0]["shelf_id"] == "popular_now"
    # no page at all is worse than any rule
    for page in pages_of(scored(*SOME), rules=(nothing, pin)):
        assert page["relaxed"] == ["nothing"] and page["shelves"][0]["shelf_id"] == "popular_now"


def test_two_pins_of_one_position_leave_the_first() -> None:
    rules = (rule("a", Pin("fresh", 0)), rule("b", Pin("popular_now", 0)), rule("c", Cap(9)))
    for page in pages_of(scored(*SOME), rules=rules):
        assert page["relaxed"] == ["b"] and page["shelves"][0]["shelf_id"] == "fresh"


def test_a_rule_that_cannot_hold_gives_way_itself() -> None:
    rules = (rule("many", Quota(99, 2)), rule("pin", Pin("fresh", 1)))
    for page in pages_of(scored(*SOME), rules=rules):
        assert page["relaxed"] == ["many"] and page["shelves"][1]["shelf_id"] == "fresh"


def test_rules_hold_of_drawn_pages_too() -> None:
    rules = (rule("pin", Pin("fresh", 1)), rule("quota", Quota(3, 2)), rule("cap", Cap(2)))
    rows = [{**row, "user_id": f"{row['user_id']}{n}"} for n in range(30) for row in SOME]
    for page in pages_of(scored(*rows), replace(POLICY, exploration=0.8), rules):
        assert not page["relaxed"] and page["shelves"][1]["shelf_id"] == "fresh" and page["propensity"] < 1
        artists = Counter(int(track[1:]) % 7 for track in tracks_on(page) if int(track[1:]) % 7)
        assert max(artists.values()) <= 2
