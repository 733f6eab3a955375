"""Positions and propensities of published cards, checked on pages made by hand."""

from typing import Any

import polars as pl
import pytest

from pipelines.check.finding import Finding
from pipelines.check.first_screen import check_first_screen
from pipelines.check.pages import check_positions, check_propensities
from pipelines.check.shelves import SHELF_CLAIMS, check_shelf_limits, check_shelf_order, check_shelf_scores

CARD = {"user_id": "u", "surface": "home", "shelf_id": "popular_now", "shelf_title": "Popular now"}


def cards(*shelves: list[str], **columns: Any) -> pl.DataFrame:
    rows = [
        {
            **CARD,
            "shelf_position": position,
            "position": rank,
            "track_id": track,
            "recording": track,
            "artist_id": track,
            "album": None,
            "score": 0.5,
            "shelf_score": 0.5,
            "shelf_propensity": 1.0,
            "propensity": 1.0,
            **columns,
        }
        for position, tracks in enumerate(shelves)
        for rank, track in enumerate(tracks)
    ]
    return pl.DataFrame(rows, schema_overrides={"album": pl.String})


def violated(*findings: Finding) -> set[str]:
    return {finding.claim for finding in findings if len(finding.violations)}


def test_a_sound_page_violates_nothing() -> None:
    page = pl.DataFrame({"user_id": ["u"], "surface": ["home"], "propensity": [1.0]})
    sound = cards(["a"])
    assert not violated(*check_positions(sound), *check_propensities(page, sound, is_explored=False))
    assert not violated(*check_shelf_limits(sound, 4), check_shelf_order(sound), check_shelf_scores(sound, 4))


@pytest.mark.parametrize(
    ("broken", "claim"),
    [
        (cards(["a", "a"]), "no track twice on a page"),
        (cards(["a"]).with_columns(position=pl.lit(1)), "tracks stand at 0, 1, 2, ..."),
        (cards(["a"]).with_columns(shelf_position=pl.lit(2)), "shelves stand at 0, 1, 2, ..."),
    ],
)
def test_broken_positions_are_found(broken: pl.DataFrame, claim: str) -> None:
    assert violated(*check_positions(broken)) == {claim}


@pytest.mark.parametrize(
    ("cap", "relaxed", "is_right"),
    [
        (2, [], False),
        (2, ["first_screen_artist_tracks"], True),
        (3, [], True),
        (3, ["first_screen_artist_tracks"], False),
        (0, [], True),
    ],
)
def test_a_page_says_that_its_first_screen_has_too_much_of_an_artist(
    cap: int, relaxed: list[str], is_right: bool
) -> None:
    # three of x on the first screen; one is behind its last card, one below its last shelf
    shelves = cards(["x", "a", "x", "b", "c", "x"], ["x"], ["d"], ["x"])
    page = pl.DataFrame(
        {"user_id": ["u"], "surface": ["home"], "relaxed": [relaxed]},
        {"user_id": pl.String, "surface": pl.String, "relaxed": pl.List(pl.String)},
    )
    assert bool(violated(check_first_screen(page, shelves, cap))) != is_right


@pytest.mark.parametrize("is_explored", [False, True])
def test_propensities_multiply_and_are_1_without_exploration(is_explored: bool) -> None:
    drawn = cards(["a", "b"], propensity=0.5, shelf_propensity=0.5)
    page = pl.DataFrame({"user_id": ["u"], "surface": ["home"], "propensity": [0.125]})
    found = violated(*check_propensities(page, drawn, is_explored=is_explored))
    names = {f"{name} is a probability of this policy" for name in ("shelf_propensity", "propensity")}
    assert found == (set() if is_explored else names)
    product = "a page's propensity is the product of its choices'"
    assert product in violated(*check_propensities(page.with_columns(propensity=0.5), drawn, is_explored=True))


@pytest.mark.parametrize(
    ("broken", "claim"),
    [
        (cards(["a"], shelf_id="polka"), "shelves are known"),
        (cards(["a"], ["b"]), "shelves hold to their sizes"),
        (cards(list("abcde")), "shelves hold to their sizes"),
        (cards(list("abcd"), list("efgh")), "as many shelves of a kind as there may be"),
        (cards(list("abcd"), list("efgh"), shelf_id="genre_mix"), "no title twice on a page, in whatever case"),
        (cards(list("abcde"), artist_id="x"), "max_artist_tracks of a shelf"),
        (cards(list("abcd"), album="x"), "max_album_tracks of a shelf"),
    ],
)
def test_broken_limits_are_found(broken: pl.DataFrame, claim: str) -> None:
    assert claim in violated(*check_shelf_limits(broken, 4))


def test_impersonal_shelves_stand_last() -> None:
    personal = next(claim.shelf_id for claim in SHELF_CLAIMS if claim.is_personal)
    upside_down = cards(["a"], ["b"]).with_columns(shelf_id=pl.Series(["popular_now", personal]))
    assert violated(check_shelf_order(upside_down)) == {"what says nothing of the user stands last"}
    assert not violated(check_shelf_order(upside_down.with_columns(shelf_id=pl.Series([personal, "popular_now"]))))


def test_a_wrong_score_is_found() -> None:
    assert violated(check_shelf_scores(cards(["a"], shelf_score=0.75), 4))
