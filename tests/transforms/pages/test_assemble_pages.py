"""What must hold of every page, whatever it is composed of; rules that cannot all hold; who is drawn what."""

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.pages.small_pages import (
    CATALOG_OF_TRACKS,
    EMBEDDINGS,
    KINDS,
    NUM_TRACKS,
    POLICY,
    Row,
    any_policy,
    candidate_rows,
    make_catalog,
    scored,
)
from transforms.catalog.catalog import Catalog
from transforms.events.market_codes import market_code
from transforms.pages.assemble_pages import assemble_pages
from transforms.pages.composition.policy import Policy
from transforms.pages.rules.rule import Audience, Rule, RuleKind
from transforms.pages.rules.rule_kinds import Cap, Exclude, Pin, Quota
from transforms.pages.shelves.shelves import SHELF_IDS, SHELVES
from transforms.tables.columns import to_table
from transforms.tables.schemas import PAGES

EVERYONE = Audience()
SHELF_OF = {shelf.id: shelf for shelf in SHELVES}
SOME = [
    {"user_id": user, "track": track, "score": 0.9 - track / 100, **KINDS[(track + len(user)) % len(KINDS)]}
    for user in ("a", "bb", "ccc")
    for track in range(NUM_TRACKS)
]


def assembled(
    candidates: pl.DataFrame,
    policy: Policy = POLICY,
    rules: tuple[Rule, ...] = (),
    catalog: Catalog = CATALOG_OF_TRACKS,
) -> pl.DataFrame:
    return assemble_pages(candidates, catalog=catalog, embeddings=EMBEDDINGS, policy=policy, rules=rules)


def pages_of(*given: Any, **named: Any) -> list[Row]:
    return list(to_table(assembled(*given, **named), PAGES).to_pylist())


def tracks_of(page: Row) -> list[str]:
    return [track["track_id"] for shelf in page["shelves"] for track in shelf["tracks"]]


@settings(max_examples=50, deadline=None)
@given(candidate_rows(), any_policy(), st.sampled_from([0.0, 0.5]))
def test_every_page_is_sound(rows: list[Row], policy: Policy, exploration: float) -> None:
    pages = pages_of(scored(*rows), replace(policy, exploration=exploration))
    assert [page["user_id"] for page in pages] == sorted({row["user_id"] for row in rows})
    offered = {(row["user_id"], f"t{row['track']:02d}", row["source"]) for row in rows}
    for page in pages:
        assert (page["surface"], page["context"], page["relaxed"]) == ("home", "any", [])
        shelves = page["shelves"]
        assert [shelf["position"] for shelf in shelves] == list(range(len(shelves)))
        assert 1 <= len(shelves) <= policy.max_shelves
        tracks = [track for shelf in shelves for track in shelf["tracks"]]
        assert len({track["track_id"] for track in tracks}) == len(tracks)
        assert {(page["user_id"], track["track_id"], track["source"]) for track in tracks} <= offered
        propensities = [each["propensity"] for each in (*shelves, *tracks)]
        assert all(0 < one <= 1 for one in propensities)
        assert page["propensity"] == pytest.approx(np.prod(propensities))
        assert exploration or set(propensities) == {1.0}
        is_personal = [SHELF_OF[shelf["shelf_id"]].is_personal for shelf in shelves]
        assert is_personal == sorted(is_personal, reverse=True)
        instances = Counter(shelf["shelf_id"] for shelf in shelves)
        assert all(count <= SHELF_OF[shelf_id].max_instances for shelf_id, count in instances.items())
        assert len({(shelf["shelf_id"], shelf["title"]) for shelf in shelves}) == len(shelves)
        for shelf in shelves:
            check_shelf(shelf, policy.shelf_size, is_only=len(shelves) == 1)


def check_shelf(shelf: Row, shelf_size: int, is_only: bool) -> None:
    entry, tracks = SHELF_OF[shelf["shelf_id"]], shelf["tracks"]
    size = entry.max_tracks or shelf_size
    is_fallback = is_only and not entry.is_personal
    assert len(tracks) <= size
    assert len(tracks) >= min(entry.min_tracks, size) or is_fallback
    assert [track["position"] for track in tracks] == list(range(len(tracks)))
    for cap, maker in ((entry.max_artist_tracks, 7), (entry.max_album_tracks, 14)):
        codes = [int(track["track_id"][1:]) for track in tracks]
        makers = Counter(code % maker for code in codes if code % 7)
        assert not cap or max(makers.values(), default=0) <= cap
    assert shelf["title"] and shelf["reason"] and "{" not in shelf["title"] + shelf["reason"]
    assert all(track["reason"] for track in tracks)
    worth = sum(track["score"] / np.log2(track["position"] + 2) for track in tracks)
    assert shelf["score"] == pytest.approx(worth, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(candidate_rows(), any_policy(), st.sampled_from([0.0, 0.7]), st.randoms(use_true_random=False))
def test_pages_depend_neither_on_the_order_of_rows_nor_on_who_shares_the_bucket(
    rows: list[Row], policy: Policy, exploration: float, random: Any
) -> None:
    policy = replace(policy, exploration=exploration)
    rules = (Rule("q", 1, Audience(), Quota(2, 1)), Rule("c", 2, Audience(), Cap(2)))
    whole = assembled(scored(*rows), policy, rules)
    shuffled = random.sample(rows, len(rows))
    assert assembled(scored(*shuffled), policy, rules).equals(whole)
    users = sorted({row["user_id"] for row in rows})
    bucket_of = {user: random.randrange(3) for user in users}
    buckets = [[row for row in shuffled if bucket_of[row["user_id"]] == bucket] for bucket in range(3)]
    parts = [assembled(scored(*bucket), policy, rules) for bucket in buckets if bucket]
    assert pl.concat(parts).sort("user_id").equals(whole)


@pytest.mark.parametrize("bent", [0.0, 0.5])
def test_floats_do_not_depend_on_who_shares_the_bucket(bent: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores whose sums differ with the order of addition, on enough users to make numpy use other loops."""
    monkeypatch.setattr("transforms.pages.assemble_pages._USERS_PER_BLOCK", 64)
    rng = np.random.default_rng(7)
    rows = [
        {"user_id": f"u{user:03d}", "track": track, "score": rng.random() ** 9, **KINDS[rng.integers(len(KINDS))]}
        for user in range(150)
        for track in range(NUM_TRACKS)
    ]
    policy = replace(POLICY, shelf_size=12, max_shelves=7, diversity=bent, calibration=bent, exploration=bent)
    whole = assembled(scored(*rows), policy)
    starts = range(0, len(rows), 10 * NUM_TRACKS)
    alone = [assembled(scored(*rows[at : at + NUM_TRACKS]), policy) for at in starts]
    assert pl.concat(alone).equals(whole.gather_every(10))


def test_empty_input_gives_an_empty_page_table() -> None:
    assert to_table(assembled(scored()), PAGES).equals(PAGES.empty())


def test_fewer_candidates_than_any_minimum_still_give_a_page() -> None:
    (page,) = pages_of(scored({"track": 3, "plays_of_track": 9, "days_since_played": 1}))
    assert [(shelf["shelf_id"], len(shelf["tracks"])) for shelf in page["shelves"]] == [("popular_now", 1)]


def test_every_surface_has_its_page_of_its_own_shelves() -> None:
    pages = pages_of(scored(*SOME), replace(POLICY, surfaces=("home", "discover"), max_shelves=9))
    assert [(page["user_id"], page["surface"]) for page in pages] == [
        (user, surface) for user in ("a", "bb", "ccc") for surface in ("discover", "home")
    ]
    for page in pages:
        assert all(page["surface"] in SHELF_OF[shelf["shelf_id"]].surfaces for shelf in page["shelves"])


def test_what_may_not_be_played_in_the_market_is_nowhere() -> None:
    swedish, both = (pl.Series([code]).to_frame("m").select(market_code(pl.col("m"))).item() for code in ("SE", "NO"))
    markets = [["NO"] if code % 2 else None for code in range(NUM_TRACKS)]
    rows = [{**row, "market": {"a": swedish, "bb": both, "ccc": None}[row["user_id"]]} for row in SOME]
    a, bb, ccc = pages_of(scored(*rows), catalog=make_catalog(markets=markets))
    assert all(int(track[1:]) % 2 == 0 for track in tracks_of(a))
    assert all(any(int(track[1:]) % 2 for track in tracks_of(page)) for page in (bb, ccc))


# ---- exploration ----------------------------------------------------------------------------------------------------


def test_draws_follow_from_seed_user_and_day() -> None:
    policy = replace(POLICY, exploration=1.0)
    rows = [{**row, "user_id": user} for user in ("a", "b") for row in SOME[:NUM_TRACKS]]
    first, other = pages_of(scored(*rows), policy)
    assert tracks_of(first) != tracks_of(other)
    assert pages_of(scored(*rows), policy) == [first, other]
    for changed in (replace(policy, seed=2), replace(policy, as_of=policy.as_of.replace(day=2))):
        assert tracks_of(pages_of(scored(*rows), changed)[0]) != tracks_of(first)


# ---- the weekly shelf -----------------------------------------------------------------------------------------------


def weekly(day: date, rows: list[Row]) -> list[str]:
    policy = replace(POLICY, as_of=POLICY.as_of.replace(year=day.year, month=day.month, day=day.day), max_shelves=9)
    (page,) = pages_of(scored(*rows), policy)
    return [track["track_id"] for s in page["shelves"] if s["shelf_id"] == "weekly_discovery" for track in s["tracks"]]


def test_weekly_discovery_is_the_same_all_week_and_another_on_monday() -> None:
    """The run of a day ends it at midnight: as of Tuesday to Monday is one ISO week."""
    rows = [
        {"user_id": "a", "track": track, "score": 0.5, "user_plays": 99.0, "artist": 100 + track}
        for track in range(NUM_TRACKS)
    ]
    days = [date(2026, 6, 2 + n) for n in range(7)]
    first = weekly(days[0], rows)
    assert len(first) >= 15 and all(weekly(day, rows) == first for day in days[1:])
    assert weekly(date(2026, 6, 9), rows) != first
    # what was met on Wednesday stays; what was met before Monday does not
    for met, stays in ((1.0, True), (9.0, False)):
        played = [
            {**row, "plays_of_track": 1.0, "days_since_first_played": met} if row["track"] == int(first[0][1:]) else row
            for row in rows
        ]
        assert (first[0] in weekly(date(2026, 6, 4), played)) == stays


@pytest.mark.parametrize("bent", [{}, {"exploration": 1.0}, {"diversity": 1.0, "calibration": 1.0}])
def test_what_stands_on_the_weekly_shelf_stands_there_first_and_in_its_order(bent: dict[str, float]) -> None:
    """Whatever its score is by now; what is new comes behind it."""
    kept = [9, 21, 4]
    places = {track: place for place, track in enumerate(kept)}
    rows = [
        {
            "user_id": "a",
            "track": track,
            "score": 0.001 if track in kept else 0.5,
            "user_plays": 99.0,
            "artist": 100 + track,
            "carried_over_position": places.get(track),
        }
        for track in range(NUM_TRACKS)
    ]
    pages = pages_of(scored(*rows), replace(POLICY, max_shelves=9, **bent))
    (shelf,) = (shelf for shelf in pages[0]["shelves"] if shelf["shelf_id"] == "weekly_discovery")
    tracks = [track["track_id"] for track in shelf["tracks"]]
    assert tracks[:3] == [f"t{track:02d}" for track in kept] and len(tracks) >= 15
    assert [track["propensity"] for track in shelf["tracks"][:3]] == [1.0] * 3


# ---- rules ----------------------------------------------------------------------------------------------------------


def rule(name: str, kind: RuleKind, when: Audience = EVERYONE) -> Rule:
    return Rule(name, 1, when, kind)


def test_excluded_tracks_are_nowhere() -> None:
    excluded = Exclude(("t06",), ("a1",), ("jazz",), explicit=True)
    for page in pages_of(scored(*SOME), rules=(rule("x", excluded),)):
        codes = [int(track[1:]) for track in tracks_of(page)]
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
        artists = Counter(int(track[1:]) % 7 for track in tracks_of(page) if int(track[1:]) % 7)
        assert max(artists.values()) <= 2


def test_every_entry_can_be_named_in_a_rule() -> None:
    assert len(SHELF_IDS) == len(set(SHELF_IDS)) >= 12
