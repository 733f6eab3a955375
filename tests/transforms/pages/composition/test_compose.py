"""Composition against the slow one, and cases of what it should do."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.pages.slow_pages import slow_pages
from tests.transforms.pages.small_pages import (
    CATALOG_OF_TRACKS,
    POLICY,
    VECTORS,
    Row,
    any_policy,
    any_rules,
    any_shelves,
    candidate_rows,
    scored,
    shelf,
)
from transforms.pages.candidate_context import candidates_with_context, user_keys
from transforms.pages.composition.compose import compose_pages
from transforms.pages.composition.inputs import TrackFacts
from transforms.pages.composition.policy import Policy
from transforms.pages.composition.runs import stable_order
from transforms.pages.composition.sampling import ChoiceSampler
from transforms.pages.rules.constraints import PageConstraints, audience_mask
from transforms.pages.rules.rule import Audience, Rule, RuleKind
from transforms.pages.rules.rule_kinds import Cap, Pin, Quota, Spacing
from transforms.pages.shelves.shelf import GENRE, Shelf
from transforms.pages.shelves.shelves import SHELVES

Pages = list[list[tuple[int, list[int]]]]


def prepared(*rows: Row) -> pl.DataFrame:
    """Candidates as composition has them."""
    ordered = scored(*rows).sort("user_id", "score", "track", descending=[False, True, False])
    return candidates_with_context(ordered, catalog=CATALOG_OF_TRACKS, day=POLICY.day)


def composed(
    candidates: pl.DataFrame, shelves: tuple[Shelf, ...], policy: Policy = POLICY, rules: tuple[Rule, ...] = ()
) -> tuple[Pages, np.ndarray]:
    """compose() in the form of the slow one, and which rules do not hold; its order of rows is held to on the way."""
    users = candidates.unique("user_id", keep="first", maintain_order=True)
    is_active = audience_mask(rules, users, "home", policy.day)
    keys = user_keys(users["user_id"], seed=policy.seed)
    shown, violated, _ = compose_pages(
        candidates,
        shelves,
        policy,
        choosing=lambda rows, instances: ChoiceSampler(keys, policy.exploration),
        tracks=TrackFacts(VECTORS, CATALOG_OF_TRACKS.tracks),
        constraints=PageConstraints(rules, is_active),
    )
    assert shown.select("user", "position", "rank").equals(shown.select("user", "position", "rank").sort(pl.all()))
    pages: Pages = [[] for _ in range(len(users))]
    tracks = candidates["track"].to_list()
    for user, position, index, _, p_shelf, rank, row, p_track in shown.rows():
        if rank == 0:
            assert position == len(pages[user])
            pages[user].append((index, []))
        assert rank == len(pages[user][position][1]) and (p_shelf, p_track) == (1.0, 1.0)
        pages[user][position][1].append(tracks[row])
    return pages, violated


@given(candidate_rows(), any_shelves(), any_policy())
def test_composition_equals_the_slow_one(rows: list[Row], shelves: tuple[Shelf, ...], policy: Policy) -> None:
    candidates = prepared(*rows)
    assert composed(candidates, shelves, policy)[0] == slow_pages(candidates, shelves, policy)


@given(candidate_rows(), any_policy())
def test_composition_of_the_entries_equals_the_slow_one(rows: list[Row], policy: Policy) -> None:
    candidates = prepared(*rows)
    assert composed(candidates, SHELVES, policy)[0] == slow_pages(candidates, SHELVES, policy)


@given(candidate_rows(), any_shelves(), any_policy(), st.data())
def test_composition_under_rules_equals_the_slow_one(
    rows: list[Row], shelves: tuple[Shelf, ...], policy: Policy, data: Any
) -> None:
    candidates, rules = prepared(*rows), data.draw(any_rules([shelf.id for shelf in shelves]))
    pages, violated = composed(candidates, shelves, policy, rules)
    assert pages == slow_pages(candidates, shelves, policy, rules)
    plays = candidates.unique("user_id", keep="first", maintain_order=True)["user_plays"]
    unplayed = {
        user: set(of.filter(pl.col("plays_of_track") == 0)["track"])
        for (user,), of in candidates.partition_by("user_id", as_dict=True).items()
    }
    for user, page, of_user, n in zip(unplayed, pages, violated, plays, strict=True):
        for rule, is_violated in zip(rules, of_user, strict=True):
            assert is_violated == (n >= rule.when.min_plays and not holds(rule, page, shelves, unplayed[user]))


def holds(rule: Rule, page: list[tuple[int, list[int]]], shelves: tuple[Shelf, ...], unplayed: set[int]) -> bool:
    """Whether a rule holds of a page, from the page alone."""
    ids = [shelves[index].id for index, _ in page]
    kind = rule.kind
    if isinstance(kind, Pin):
        return kind.position < len(ids) and ids[kind.position] == kind.shelf
    if isinstance(kind, Quota):
        return sum(track in unplayed for _, tracks in page[: kind.shelves] for track in tracks) >= kind.unplayed
    if isinstance(kind, Spacing):
        positions = [position for position, name in enumerate(ids) if name == kind.shelf]
        return all(after - before >= kind.apart for before, after in pairwise(positions))
    assert isinstance(kind, Cap)
    artists = [track % 7 for _, tracks in page for track in tracks if track % 7]
    return max(map(artists.count, artists), default=0) <= kind.artist


# ---- cases ----------------------------------------------------------------------------------------------------------


def tracks_of(pages: tuple[Pages, Any]) -> list[list[int]]:
    ((page,), _) = pages
    return [tracks for _, tracks in page]


def shelves_of(pages: tuple[Pages, Any]) -> list[int]:
    ((page,), _) = pages
    return [index for index, _ in page]


def test_charts_stand_below_what_is_personal_however_much_they_are_worth() -> None:
    rows = [{"track": track, "score": 0.9 - 0.1 * track, "plays_of_track": float(track > 3)} for track in range(6)]
    shelves = (shelf("charts", is_personal=False), shelf("own", where=pl.col("plays_of_track") > 0))
    assert shelves_of(composed(prepared(*rows), shelves)) == [1, 0]


def test_second_shelf_of_an_entry_is_worth_half() -> None:
    """Genre 0 has 0.9, genre 1 has 0.8, the other shelf 0.5: more than half of 0.8."""
    rows = [{"track": track, "score": score} for track, score in ((0, 0.9), (1, 0.8), (2, 0.5))]
    shelves = (
        shelf("genre", instance=GENRE, max_instances=2, where=pl.col("genre") < 2),
        shelf("other", where=pl.col("genre") == 2),
    )
    assert shelves_of(composed(prepared(*rows), shelves)) == [0, 1, 0]


def test_artist_may_come_again_when_the_page_has_used_the_better_tracks() -> None:
    """Tracks 1, 8, 15 are by one artist; the shelf may hold one of them at a time, whichever is left."""
    rows = [
        {"track": track, "score": 0.9 - track / 100, "plays_of_track": float(track == 1)} for track in (1, 8, 15, 2)
    ]
    shelves = (shelf("own", where=pl.col("plays_of_track") > 0), shelf("all", is_personal=False, max_artist_tracks=1))
    assert tracks_of(composed(prepared(*rows), shelves)) == [[1], [2, 8]]


def test_tracks_of_unknown_artists_are_not_capped() -> None:
    rows = [{"track": track, "artist": None} for track in range(4)]
    assert tracks_of(composed(prepared(*rows), (shelf(max_artist_tracks=1),))) == [[0, 1, 2, 3]]


def test_equal_worth_goes_to_the_first_entry_then_to_the_lowest_code() -> None:
    rows = [{"track": track} for track in (5, 4, 3)]
    shelves = (shelf("genre", instance=GENRE, max_instances=9), shelf("none", where=pl.lit(False)))
    assert tracks_of(composed(prepared(*rows), shelves, replace(POLICY, shelf_size=1))) == [[3], [4], [5]]


def test_shelf_shorter_than_a_minimum_of_its_own_is_not_withheld_where_shelves_are_short() -> None:
    rows = [{"track": track} for track in range(4)]
    assert tracks_of(composed(prepared(*rows), (shelf(min_tracks=4),), replace(POLICY, shelf_size=2))) == [[0, 1]]


def test_a_reserved_shelf_shows_the_same_whatever_stands_above_it() -> None:
    rows = [{"track": track, "score": 0.9 - track / 100} for track in range(12)]
    weekly = shelf("weekly", order=-pl.col("score"), is_reserved=True, max_tracks=3)
    better = shelf("better", max_tracks=12)
    assert tracks_of(composed(prepared(*rows), (better, weekly)))[1] == [11, 10, 9]
    assert tracks_of(composed(prepared(*rows), (weekly,)))[0] == [11, 10, 9]


def test_weekly_discoveries_change_by_no_more_than_what_changed() -> None:
    """Each track has a number of its own: one that is gone or likelier leaves the others where they were."""
    weekly = replace(next(one for one in SHELVES if one.id == "weekly_discovery"), max_tracks=12, min_tracks=1)
    rows = [
        {"track": track, "score": 0.1 + track / 50, "user_plays": 99.0, "artist": 100 + track} for track in range(24)
    ]

    def shown(candidates: list[Row]) -> set[int]:
        (tracks,) = tracks_of(composed(prepared(*candidates), (weekly,)))
        return set(tracks)

    before = shown(rows)
    for place, row in enumerate(rows):
        others = [*rows[:place], *rows[place + 1 :]]
        gone, likelier = shown(others), shown([*others, {**row, "score": 0.99}])
        assert before - gone == before & {row["track"]} and len(gone) == 12
        assert likelier - before <= {row["track"]} and len(likelier) == 12


def test_diversity_moves_the_second_track_of_an_artist_back() -> None:
    """Tracks 1 and 8 are by one artist; 2 is a little worse than both."""
    rows = [{"track": 1, "score": 0.9}, {"track": 8, "score": 0.8}, {"track": 2, "score": 0.7}]
    by_log = shelf(order=pl.col("score").log())
    assert tracks_of(composed(prepared(*rows), (by_log,))) == [[1, 8, 2]]
    assert tracks_of(composed(prepared(*rows), (by_log,), replace(POLICY, diversity=0.5))) == [[1, 2, 8]]


def test_calibration_brings_a_genre_to_the_page_that_the_user_plays() -> None:
    """Seven tracks of genre 0 and three of genre 1, which the user plays as much, and a little less likely."""
    rows = [{"track": 3 * n, "score": 0.5, "share_of_genre": 0.5, "user_distinct_track_ratio": 1.0} for n in range(7)]
    rows += [
        {"track": 3 * n + 1, "score": 0.4, "share_of_genre": 0.5, "user_distinct_track_ratio": 1.0} for n in range(3)
    ]
    by_log = shelf(order=pl.col("score").log())
    plain, re_ranked = (
        tracks_of(composed(prepared(*rows), (by_log,), replace(POLICY, calibration=c)))[0] for c in (0.0, 1.0)
    )
    assert [track % 3 for track in plain] == [0, 0, 0, 0]
    assert sorted(track % 3 for track in re_ranked) == [0, 0, 1, 1]


def rule(kind: RuleKind) -> Rule:
    return Rule("r", 1, Audience(), kind)


def test_a_pinned_shelf_gets_its_tracks_before_others_take_them() -> None:
    rows = [{"track": track, "score": 0.9 - track / 100, "plays_of_track": float(track > 3)} for track in range(8)]
    played = shelf("played", where=pl.col("plays_of_track") > 0)
    shelves = (shelf("all", max_tracks=8), played)
    assert shelves_of(composed(prepared(*rows), shelves)) == [0]
    pages = composed(prepared(*rows), shelves, POLICY, (rule(Pin("played", 1)),))
    assert tracks_of(pages) == [[0, 1, 2, 3], [4, 5, 6, 7]] and not pages[1].any()


def test_a_pin_behind_the_end_of_the_page_moves_up_and_is_reported_as_violated() -> None:
    rows = [{"track": track} for track in range(4)]
    pages = composed(prepared(*rows), (shelf("only"),), POLICY, (rule(Pin("only", 3)),))
    assert shelves_of(pages) == [0] and pages[1].tolist() == [[True]]


@pytest.mark.parametrize("position", [0, 4])
def test_an_entry_that_is_withheld_breaks_its_pin(position: int) -> None:
    pages = composed(prepared({"track": 0}), (shelf("x"),), POLICY, (rule(Pin("gone", position)),))
    assert shelves_of(pages) == [0] and pages[1].tolist() == [[True]]


@pytest.mark.parametrize("most", [3, 2**32 - 1])
def test_stable_order_is_that_of_lexsort(most: int) -> None:
    """With the larger keys these and the place do not fit into 64 bits."""
    rng = np.random.default_rng(0)
    major, minor = (rng.choice([0, 1, 2, most], 200).astype(np.uint32) for _ in range(2))
    assert stable_order(major, minor).tolist() == np.lexsort((minor, major)).tolist()
    assert stable_order(major[:0], minor[:0]).tolist() == []
