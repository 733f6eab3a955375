"""Pages are drawn with the probabilities that they state."""

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.transforms.pages.slow_pages import every_page
from tests.transforms.pages.small_pages import CATALOG_OF_TRACKS, POLICY, VECTORS, scored, shelf
from transforms.pages.candidate_context import candidates_with_context
from transforms.pages.composition.compose import ComposedPages, compose_pages
from transforms.pages.composition.inputs import TrackFacts
from transforms.pages.composition.policy import Policy
from transforms.pages.composition.sampling import ChoiceSampler
from transforms.pages.rules.constraints import PageConstraints, audience_mask
from transforms.pages.rules.rule import Audience, Rule
from transforms.pages.rules.rule_kinds import Cap, Pin, Quota
from transforms.pages.shelves.shelf import GENRE

NUM_PAGES = 40_000
# Seven tracks: two by one artist; one that is played; two genres. Two shelves that want the same tracks.
USER = scored(
    {"track": 1, "score": 0.6, "share_of_genre": 0.6, "user_distinct_track_ratio": 0.5},
    {"track": 8, "score": 0.5, "share_of_genre": 0.2, "user_distinct_track_ratio": 0.5},
    {"track": 2, "score": 0.3, "share_of_genre": 0.2, "user_distinct_track_ratio": 0.5},
    {"track": 3, "score": 0.2, "plays_of_track": 1, "user_distinct_track_ratio": 0.5},
    {"track": 4, "score": 0.1, "share_of_genre": 0.6, "user_distinct_track_ratio": 0.5},
)
BY_SCORE = pl.col("score").log()
SHELVES = (
    shelf("own", order=BY_SCORE, max_artist_tracks=1, idea="all", leads=True),
    shelf("unplayed", where=pl.col("plays_of_track") == 0, order=-BY_SCORE, min_tracks=2, max_tracks=3),
    shelf("genre", instance=GENRE, order=BY_SCORE, max_instances=2, idea="all"),
)
PLAIN = replace(POLICY, shelf_size=2, max_shelves=2, exploration=0.7)
CASES = {
    "plain": (PLAIN, ()),
    "re-ranked": (replace(PLAIN, diversity=0.4, calibration=0.5), ()),
    "of concave value": (
        replace(PLAIN, artist_saturation=0.5, genre_saturation=0.3, idea_saturation=1.0, interleaving=0.5),
        (),
    ),
    "first screen, habit": (replace(PLAIN, first_screen_artist_tracks=1, habit_share=0.5), ()),
    "ruled": (
        PLAIN,
        (
            Rule("pin", 1, Audience(), Pin("genre", 1)),
            Rule("quota", 2, Audience(), Quota(3, 2)),
            Rule("cap", 3, Audience(), Cap(1)),
        ),
    ),
}


def drawn(policy: Policy, rules: tuple[Rule, ...], num_pages: int) -> ComposedPages:
    """The same user many times, each with numbers of its own."""
    one = candidates_with_context(USER.sort("score", descending=True), catalog=CATALOG_OF_TRACKS, day=policy.day).drop(
        "user_id"
    )
    users = pl.DataFrame({"user_id": pl.int_range(num_pages, eager=True).cast(pl.String).cast(pl.Categorical)})
    is_active = audience_mask(rules, pl.DataFrame({"user_plays": [0.0], "market": [0]}), "home", policy.day)
    keys = np.random.default_rng(5).integers(1 << 63, size=num_pages, dtype=np.uint64)
    return compose_pages(
        users.join(one, how="cross", maintain_order="left_right"),
        SHELVES,
        policy,
        choosing=lambda rows, instances: ChoiceSampler(keys, policy.exploration),
        tracks=TrackFacts(VECTORS, CATALOG_OF_TRACKS.tracks),
        constraints=PageConstraints(rules, np.repeat(is_active, num_pages, axis=0)),
    )


def pages_of(shown: pl.DataFrame) -> pl.DataFrame:
    """One row a page: what stands on it, and the product of its propensities."""
    tracks = USER.sort("score", descending=True)["track"]
    rows = shown.with_columns(track=tracks.gather(shown["row"] % len(USER)))
    shelves = rows.group_by("user", "position", maintain_order=True).agg(
        pl.col("shelf_index").first(), "track", p=pl.col("p_shelf").first() * pl.col("p_track").product()
    )
    page = pl.struct("shelf_index", "track")
    return shelves.group_by("user", maintain_order=True).agg(page=page, p=pl.col("p").product())


@pytest.mark.parametrize("case", CASES)
def test_propensities_are_the_frequencies_of_pages(case: str) -> None:
    policy, rules = CASES[case]
    expected = dict(
        every_page(candidates_with_context(USER, catalog=CATALOG_OF_TRACKS, day=policy.day), SHELVES, policy, rules)
    )
    assert sum(expected.values()) == pytest.approx(1, abs=1e-9) and len(expected) > 5
    pages = pages_of(drawn(policy, rules, NUM_PAGES).shown)
    names = [tuple((one["shelf_index"], tuple(one["track"])) for one in page) for page in pages["page"].to_list()]
    written = dict(zip(names, pages["p"], strict=True))
    assert written.keys() <= expected.keys()
    assert all(p == pytest.approx(expected[page], rel=1e-9) for page, p in written.items())
    counts = Counter(names)
    likely = {page: p for page, p in expected.items() if p * NUM_PAGES >= 5}
    # Pearson: of a chi-square with so many degrees of freedom; a chance of 1e-6 to fail where all is well
    statistic = sum((counts[page] - p * NUM_PAGES) ** 2 / (p * NUM_PAGES) for page, p in likely.items())
    degrees = len(likely)
    assert statistic < degrees + 4.9 * np.sqrt(2 * degrees) + 16


def test_temperature_zero_is_exactly_the_page_without_chance() -> None:
    greedy = drawn(replace(PLAIN, exploration=0.0), (), 3).shown
    assert greedy["p_shelf"].eq(1).all() and greedy["p_track"].eq(1).all()
    nearly = drawn(replace(PLAIN, exploration=1e-3), (), 3).shown
    assert nearly.drop("p_shelf", "p_track").equals(greedy.drop("p_shelf", "p_track"))


def test_equal_keys_draw_equal_pages_and_others_do_not() -> None:
    assert drawn(PLAIN, (), 50).shown.equals(drawn(PLAIN, (), 50).shown)
    assert pages_of(drawn(PLAIN, (), 50).shown)["page"].n_unique() > 10
