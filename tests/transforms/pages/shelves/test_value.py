"""One value of a shelf: where it competes, as it is published, checked and explained."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pipelines.check.shelves import check_shelf_scores
from pipelines.inputs.published import card_rows
from tests.transforms.pages.small_pages import CATALOG_OF_TRACKS, POLICY, VECTORS, Row, scored, shelf
from transforms.pages.candidate_context import candidates_with_context
from transforms.pages.composition.policy import Policy
from transforms.pages.page_builder import PageBuilder
from transforms.pages.page_table import nest_pages
from transforms.pages.shelves.value import rank_discount, shelf_value
from transforms.pages.traces import TrackTracer

SIZE = 2
# The first track of the long shelf is weak; all six together are more than the two of the short one.
LONG: list[Row] = [{"track": track, "score": 0.3, "plays_of_track": 1.0} for track in range(6)]
SHORT: list[Row] = [{"track": track, "score": 0.4} for track in (7, 8)]
SHELVES = (
    shelf("long", where=pl.col("plays_of_track") > 0, max_tracks=6),
    shelf("short", where=pl.col("plays_of_track") == 0),
)


def page_of(policy: Policy, tracer: TrackTracer) -> pl.DataFrame:
    ordered = scored(*LONG, *SHORT).sort("score", "track", descending=[True, False])
    candidates = candidates_with_context(ordered, catalog=CATALOG_OF_TRACKS, day=POLICY.day)
    builder = PageBuilder("home", SHELVES, policy, (), CATALOG_OF_TRACKS, VECTORS, tracer)
    return nest_pages(candidates, *builder.compose(candidates), builder)


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_a_shelf_is_published_checked_and_explained_with_the_value_it_competes_with(strength: float) -> None:
    """The long shelf counts with its first two tracks alone, so the short one stands above it."""
    tracer = TrackTracer(0)
    page = page_of(replace(POLICY, shelf_size=SIZE, diversity=strength, calibration=strength), tracer)
    shelves = page["shelves"].to_list()[0]
    assert [(one["shelf_id"], len(one["tracks"])) for one in shelves] == [("short", 2), ("long", 6)]
    two = 1 + 1 / np.log2(3)
    assert [one["score"] for one in shelves] == pytest.approx([0.4 * two, 0.3 * two])
    # exactly the published number, of 32 bits
    assert [np.float32(step.score) for step in tracer.steps] == [np.float32(one["score"]) for one in shelves]
    (waiting,) = tracer.steps[0].waiting
    assert waiting.value == pytest.approx(0.3 * two) and waiting.num_before == 0
    cards = card_rows(page)
    assert check_shelf_scores(cards, SIZE).violations.is_empty()
    # the old definition, over all that the shelf shows, is found to be wrong
    assert len(check_shelf_scores(cards, 6).violations) == 1


def test_the_value_is_the_discounted_sum_of_the_first_ranks() -> None:
    rng = np.random.default_rng(1)
    shelf_of, score = np.repeat([0, 2], [5, 3]), rng.random(8)
    rank = np.array([0, 1, 2, 3, 4, 0, 1, 2])
    value = shelf_value(score, rank, shelf_of, num_shelves=3, discount=rank_discount(5, 4))
    expected = [
        sum(score[n] / np.log2(n + 2) for n in range(4)),
        0,
        sum(score[5 + n] / np.log2(n + 2) for n in range(3)),
    ]
    assert value == pytest.approx(expected)
