"""Logged cards become the choices of their pages; what is not known of a page has no propensity."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from tests.stages import joined, run_graph, tables_of
from tests.worlds import AS_OF
from transforms.experiments.off_policy.list_choices import ListChoices, list_choices
from transforms.experiments.off_policy.schemas import LOGGED_CARD_ROWS

CARD = {"user_id": "u", "shown_at": AS_OF, "surface": "home", "policy": "a", "request_id": "r", "outcome": 1.0}


def card(shelf: int, position: int, **other: Any) -> dict[str, Any]:
    given = {"shelf_id": f"s{shelf}", "shelf_position": shelf, "track_id": f"t{shelf}{position}", "position": position}
    return {**CARD, **given, "propensity": 0.5, "shelf_propensity": 0.25, **other}


def listed(*cards: dict[str, Any], policy: str = "") -> pl.DataFrame:
    return list_choices(LOGGED_CARD_ROWS.frame(list(cards)), surface="home", policy=policy)


PAGE = [card(0, 0), card(0, 1), card(1, 0)]


def test_a_page_is_its_shelves_each_followed_by_its_tracks() -> None:
    found = listed(*reversed(PAGE))
    assert found.select("shelf_position", "position").rows() == [(0, -1), (0, 0), (0, 1), (1, -1), (1, 0)]
    assert found["propensity"].to_list() == [0.25, 0.5, 0.5, 0.25, 0.5]
    assert found["track_id"].to_list() == [None, "t00", "t01", None, "t10"]
    assert found["outcome"].to_list() == [0, 1, 1, 0, 1]
    assert found["request"].n_unique() == 1


@pytest.mark.parametrize(
    "cards",
    [
        [card(0, 0), card(0, 2)],
        [card(0, 1)],
        [card(0, 0), card(2, 0)],
        [card(1, 0)],
    ],
)
def test_a_page_with_an_empty_place_has_no_propensities(cards: list[dict[str, Any]]) -> None:
    found = listed(*cards)
    assert len(found) and found["propensity"].null_count() == len(found)


@pytest.mark.parametrize("value", [0.0, -0.1, 1.5, float("nan"), float("inf"), None])
def test_a_probability_that_is_none_is_unknown(value: float | None) -> None:
    found = listed(card(0, 0, propensity=value), card(0, 1))
    assert found["propensity"].to_list() == [0.25, None, 0.5]


@pytest.mark.parametrize(
    "other",
    [{"user_id": None}, {"track_id": None}, {"shown_at": None}, {"surface": "radio"}, {"policy": "b"}]
    + [{"position": 1_000}, {"shelf_position": 1_000}, {"position": -1}],
)
def test_cards_of_others_or_out_of_reach_are_left_out(other: dict[str, Any]) -> None:
    found = listed(*PAGE, card(0, 2, request_id="other") | other, policy="a")
    assert found.rows() == listed(*PAGE, policy="a").rows()


def test_a_card_that_was_logged_twice_counts_once() -> None:
    again = card(0, 1, shown_at=AS_OF + timedelta(seconds=1), outcome=0.0)
    assert listed(*PAGE, again).equals(listed(*PAGE))


def test_no_card_of_the_policy_gives_no_choice() -> None:
    assert listed(*PAGE, policy="b").is_empty()
    assert listed().is_empty()


def test_without_request_ids_the_time_tells_requests_apart() -> None:
    later = {"request_id": None, "shown_at": AS_OF + timedelta(minutes=1)}
    found = listed(*(card(0, k, request_id=None) for k in (0, 1)), card(0, 0, **later))
    assert found.group_by("request").len().sort("len")["len"].to_list() == [2, 3]


def test_list_choices_is_applied_to_every_bucket() -> None:
    frames = [LOGGED_CARD_ROWS.frame(PAGE), LOGGED_CARD_ROWS.frame([card(0, 0, user_id="v")])]
    found = joined(run_graph(lambda root: tables_of(root, "Cards", LOGGED_CARD_ROWS, frames) | ListChoices("home", "")))
    assert found["user_id"].to_list() == ["u"] * 5 + ["v"] * 2
