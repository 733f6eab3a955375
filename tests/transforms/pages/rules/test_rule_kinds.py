"""The contract of rule kinds: composition and checker find the same pages sound."""

import numpy as np
import polars as pl
import pytest

from transforms.pages.rules.constraints import NO_CAP, PageConstraints
from transforms.pages.rules.page_state import PageState, ShelfOptions
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.rules.rule import Audience, Rule, RuleKind
from transforms.pages.rules.rule_kinds import RULE_KINDS, Cap, Exclude, Pin, Quota, Spacing

INDEX_OF = {"fresh": 0, "mix": 1}
# Two pages of shelf ids; on each shelf two cards, of which the first is unplayed.
PAGES = (("fresh", "mix", "mix"), ("mix", "fresh", "mix"))
VALUES = {"shelf": "fresh", "position": "1", "tracks": "[t1]", "artist": "2", "unplayed": "3", "shelves": "2"}
VALUES |= {"apart": "2"}


def state() -> PageState:
    page = PageState.empty(len(PAGES), 4, INDEX_OF)
    for user, ids in enumerate(PAGES):
        for position, name in enumerate(ids):
            page.shelf_index[user, position], page.unplayed[user, position] = INDEX_OF[name], 1
    return page


def cards() -> pl.DataFrame:
    rows = [
        {
            "user_id": f"u{user}",
            "surface": "home",
            "shelf_id": name,
            "shelf_position": position,
            "track_id": f"t{2 * position + rank}",
            "artist_id": f"a{rank}",
            "genre_name": "jazz" if position else "rock",
            "explicit": False,
            "listened": rank,
        }
        for user, ids in enumerate(PAGES)
        for position, name in enumerate(ids)
        for rank in range(2)
    ]
    return pl.DataFrame(rows)


def violating(kind: RuleKind) -> list[str]:
    found = kind.violations(cards().select("user_id", "surface").unique(), cards())
    return sorted(found["user_id"].to_list())


@pytest.mark.parametrize("kind", RULE_KINDS, ids=lambda kind: kind.key)
def test_every_kind_is_read_from_its_fields_and_says_what_it_is(kind: type[RuleKind]) -> None:
    given = [name for name in kind.fields() if name in VALUES]
    values = "".join(f"      {name}: {VALUES[name]}\n" for name in given)
    (rule,) = parse_rules(f"rules:\n  - {kind.key}:\n{values}", INDEX_OF, ())
    assert isinstance(rule.kind, kind) and kind.__doc__ and rule.name == f"{kind.key} of line 2"
    assert set(violating(rule.kind)) <= {"u0", "u1"}


@pytest.mark.parametrize(
    ("kind", "users"),
    [
        (Pin("fresh", 0), ["u1"]),
        (Pin("fresh", 1), ["u0"]),
        (Pin("gone", 0), ["u0", "u1"]),
        (Pin("fresh", 9), ["u0", "u1"]),
        (Quota(2, 2), []),
        (Quota(3, 2), ["u0", "u1"]),
        (Spacing("mix", 2), ["u0"]),
        (Spacing("mix", 3), ["u0", "u1"]),
        (Spacing("fresh", 9), []),
    ],
    ids=str,
)
def test_composition_and_checker_agree(kind: RuleKind, users: list[str]) -> None:
    assert violating(kind) == users
    constraints = PageConstraints((Rule("r", 1, Audience(), kind),), np.ones((len(PAGES), 1), dtype=bool))
    assert [f"u{user}" for user in np.flatnonzero(constraints.violated(state())[:, 0])] == users
    for_nobody = PageConstraints(constraints.rules, np.zeros((len(PAGES), 1), dtype=bool))
    assert not for_nobody.violated(state()).any()


@pytest.mark.parametrize(
    ("kind", "users"),
    [
        (Cap(3), []),
        (Cap(2), ["u0", "u1"]),
        (Exclude(tracks=("t9",), artists=("a9",), genres=("folk",), explicit=True), []),
        (Exclude(tracks=("t0",)), ["u0", "u1"]),
        (Exclude(genres=("jazz",)), ["u0", "u1"]),
        (Exclude(genres=("\tJAZZ ",)), ["u0", "u1"]),
    ],
    ids=str,
)
def test_what_composition_cannot_break_is_judged_by_the_cards(kind: RuleKind, users: list[str]) -> None:
    assert violating(kind) == users and kind.is_violated(state()) is None


def test_options_are_narrowed_to_those_that_suit() -> None:
    page = state()
    page.shelf_index[:, 1:] = -1
    user, index = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    unplayed, none = np.array([1, 2, 0, 0]), np.zeros(4)
    options = ShelfOptions(user, index, np.full(4, 2), unplayed, none, none, none, none, none, np.ones(4, dtype=bool))
    assert Spacing("mix", 2).allows(options, page, 1).tolist() == [True, True, True, False]
    # a shelf that is pinned further down is near, too
    page.shelf_index[0, 2:] = [-1, INDEX_OF["mix"]]
    near = {position: Spacing("mix", 2).allows(options, page, position).tolist()[1] for position in (1, 2)}
    assert near == {1: True, 2: False}
    page.shelf_index[0, 3] = -1
    assert Quota(9, 2).allows(options, page, 1).tolist() == [False, True, True, True]
    assert Pin("mix", 1).allows(options, page, 1) is None


def test_a_cap_holds_on_the_pages_that_it_is_for_and_the_lowest_counts() -> None:
    rules = [Rule(f"r{cap}", 1, Audience(), Cap(cap)) for cap in (5, 3)]
    is_active = np.array([[False, False], [True, False], [False, True], [True, True]])
    constraints = PageConstraints(rules, is_active)
    assert constraints.artist_cap.tolist() == [NO_CAP, 5, 3, 3] and constraints.has_artist_cap
    assert not PageConstraints(rules, is_active[:1]).has_artist_cap
