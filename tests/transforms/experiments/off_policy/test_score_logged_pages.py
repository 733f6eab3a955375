"""Logged pages get exactly the probability with which the target would have composed them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.transforms.pages.composition.test_exploration import CASES, PLAIN, SHELVES, USER
from tests.transforms.pages.slow_pages import every_page
from tests.transforms.pages.small_pages import CATALOG_OF_TRACKS, EMBEDDINGS, POLICY
from transforms.experiments.off_policy import score_logged_pages as module
from transforms.experiments.off_policy.schemas import LOGGED_CHOICES, SHOWN
from transforms.experiments.off_policy.score_logged_pages import TargetPolicy, list_shown, score_logged_pages
from transforms.pages.candidate_context import candidates_with_context
from transforms.pages.composition.policy import Policy
from transforms.pages.published_candidates import RANKED
from transforms.pages.rules.rule import Rule

Page = tuple[tuple[int, tuple[int, ...]], ...]
TRACK_IDS = CATALOG_OF_TRACKS.tracks["track_id"].to_list()


def ranked() -> pl.DataFrame:
    """The candidates of the user as a run publishes them."""
    names = USER.with_columns(
        track_id=CATALOG_OF_TRACKS.tracks["track_id"].gather(USER["track"]),
        seed_track_id=CATALOG_OF_TRACKS.tracks["track_id"].gather(USER["seed_track"]),
    )
    return RANKED.conform(names)


def log_of(pages: list[Page], user: str = "u") -> pl.DataFrame:
    """LOGGED_CHOICES: one request for each page."""
    rows: list[dict[str, Any]] = []
    for request, page in enumerate(pages):
        for position, (index, tracks) in enumerate(page):
            place = {
                "user_id": user,
                "request": request,
                "shown_at": POLICY.as_of,
                "shelf_id": SHELVES[index].id,
                "shelf_position": position,
                "propensity": 0.5,
            }
            rows.append({**place, "position": -1})
            rows += [{**place, "track_id": TRACK_IDS[t], "position": rank} for rank, t in enumerate(tracks)]
    return LOGGED_CHOICES.frame(rows)


def target(policy: Policy, rules: tuple[Rule, ...] = ()) -> TargetPolicy:
    return TargetPolicy(policy, rules, "home", POLICY.as_of, POLICY.as_of + timedelta(days=1))


@pytest.fixture(autouse=True)
def _small_shelves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHELVES", SHELVES)
    monkeypatch.setattr(module, "available_shelves", lambda catalog, surface: SHELVES)


def scored(
    log: pl.DataFrame, policy: Policy, rules: tuple[Rule, ...] = (), shown: pl.DataFrame | None = None
) -> pl.DataFrame:
    return score_logged_pages(
        log,
        candidates=ranked(),
        shown=list_shown(log) if shown is None else shown,
        catalog=CATALOG_OF_TRACKS,
        embeddings=EMBEDDINGS,
        target=target(policy, rules),
    )


def enumerated(policy: Policy, rules: tuple[Rule, ...]) -> dict[Page, float]:
    context = candidates_with_context(USER, catalog=CATALOG_OF_TRACKS, day=policy.day)
    return dict(every_page(context, SHELVES, policy, rules))


def starts_like(page: Page, other: Page) -> bool:
    """Whether the page shows what the other one does and more: the log may end where the user stopped looking."""
    pairs = zip(page, other, strict=False)
    return len(page) >= len(other) and all(a[0] == b[0] and a[1][: len(b[1])] == b[1] for a, b in pairs)


@pytest.mark.parametrize("case", CASES)
def test_every_page_has_the_probability_of_exact_enumeration(case: str) -> None:
    policy, rules = CASES[case]
    expected = enumerated(policy, rules)
    found = scored(log_of(list(expected)), policy, rules)
    products = found.group_by("request", maintain_order=True).agg(pl.col("target_propensity").product())
    assert products["target_propensity"].to_list() == pytest.approx(list(expected.values()), rel=1e-9)
    assert found["target_unlogged"].max() == 0


def test_pages_of_other_policies_have_the_probabilities_of_this_one_and_0_where_it_never_makes_them() -> None:
    others = {**enumerated(PLAIN, ()), **enumerated(replace(PLAIN, shelf_size=1, exploration=2.0), ())}
    target_policy, rules = CASES["ruled"]
    expected = enumerated(target_policy, rules)
    found = scored(log_of(list(others)), target_policy, rules).group_by("request", maintain_order=True)
    products = found.agg(p=pl.col("target_propensity").fill_null(0.0).product())["p"].to_list()
    is_cut = [any(page != whole and starts_like(whole, page) for whole in expected) for page in others]
    for page, product, cut in zip(others, products, is_cut, strict=True):
        if not cut:
            assert product == pytest.approx(expected.get(page, 0.0), rel=1e-9, abs=1e-15)
    assert is_cut.count(False) > 20
    assert any(expected.get(page, 0.0) == 0 for page in others) and any(page in expected for page in others)


def test_where_the_target_shows_nothing_there_is_no_probability() -> None:
    longest = max(enumerated(PLAIN, ()), key=lambda page: sum(len(tracks) for _, tracks in page))
    found = scored(log_of([longest]), replace(PLAIN, shelf_size=1, max_shelves=1))
    is_there = (found["shelf_position"] == 0) & (found["position"] < 1)
    assert found.filter(is_there)["target_propensity"].null_count() == 0
    assert found.filter(~is_there & (found["shelf_position"] == 1))["target_propensity"].is_null().all()


def test_a_greedy_target_gives_its_page_1_and_others_0() -> None:
    greedy = replace(PLAIN, exploration=0.0)
    pages = list(enumerated(PLAIN, ()))
    found = scored(log_of(pages), greedy).group_by("request", maintain_order=True)
    products = found.agg(pl.col("target_propensity").product())["target_propensity"]
    assert sorted(products.unique()) == [0.0, 1.0] and products.sum() >= 1


def test_scores_are_those_of_the_choice_and_their_mean_under_the_target() -> None:
    found = scored(log_of(list(enumerated(PLAIN, ()))), PLAIN)
    first = found.filter((pl.col("shelf_position") == 0) & (pl.col("position") == 0))
    tracks = dict(zip(ranked()["track_id"], ranked()["score"], strict=True))
    assert first["score"].to_list() == pytest.approx([tracks[name] for name in first["track_id"]])
    # over the pages of one shelf, each weighted by its probability given the shelf, the scores have the stated mean
    own = found.filter((pl.col("position") == 0) & (pl.col("shelf_position") == 0) & (pl.col("shelf_id") == "own"))
    each = own.unique("track_id")
    mean = float((each["score"] * each["target_propensity"]).sum())
    assert each["target_propensity"].sum() == pytest.approx(1)
    assert own["target_score"].to_numpy() == pytest.approx(np.full(len(own), mean))


def test_mass_on_what_the_log_never_shows_is_stated() -> None:
    pages = list(enumerated(PLAIN, ()))
    log = log_of(pages)
    shown = SHOWN.frame([{"shelf_id": "own", "track_id": "t01"}])
    found = scored(log, PLAIN, shown=shown)
    of_first = found.filter(
        (pl.col("shelf_position") == 0) & (pl.col("position") == -1) & (pl.col("shelf_id") == "own")
    )
    assert of_first["target_unlogged"].to_numpy() == pytest.approx(1 - of_first["target_propensity"].to_numpy())
    track = found.filter((pl.col("shelf_position") == 0) & (pl.col("track_id") == "t01") & (pl.col("position") == 0))
    assert track["target_unlogged"].to_numpy() == pytest.approx(1 - track["target_propensity"].to_numpy())


def test_only_the_time_of_the_target_and_users_that_it_knows_are_scored() -> None:
    page = next(iter(enumerated(PLAIN, ())))
    before = log_of([page]).with_columns(shown_at=pl.lit(POLICY.as_of - timedelta(seconds=1)).dt.cast_time_unit("us"))
    stranger = log_of([page], user="v")
    for log in (before, stranger):
        assert len(log) and scored(log, PLAIN).is_empty()


def test_blocks_of_requests_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(list(enumerated(PLAIN, ())))
    whole = scored(log, PLAIN)
    monkeypatch.setattr(module, "_REQUESTS_PER_BLOCK", 7)
    assert scored(log, PLAIN).equals(whole)
