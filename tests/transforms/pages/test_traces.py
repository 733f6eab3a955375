"""What is said of a track while its page is composed is what becomes of it."""

from dataclasses import replace

import polars as pl
import pytest

from tests.transforms.pages.small_pages import CATALOG_OF_TRACKS, POLICY, VECTORS, Row, scored, shelf
from transforms.pages.candidate_context import candidates_with_context
from transforms.pages.page_builder import PageBuilder
from transforms.pages.rules.rule import Audience, Rule
from transforms.pages.rules.rule_kinds import Cap, Exclude
from transforms.pages.shelves.shelf import Shelf
from transforms.pages.traces import TraceStep, TrackTracer

OWN = shelf("own", where=pl.col("plays_of_track") > 0)
ALL = shelf("all", is_personal=False, max_artist_tracks=1)


def traced(
    track: int, rows: list[Row], shelves: tuple[Shelf, ...], *rules: Rule, diversity: float = 0.0
) -> list[TraceStep]:
    ordered = scored(*rows).sort("score", "track", descending=[True, False])
    candidates = candidates_with_context(ordered, catalog=CATALOG_OF_TRACKS, day=POLICY.day)
    tracer = TrackTracer(track)
    policy = replace(POLICY, shelf_size=2, diversity=diversity)
    PageBuilder("home", shelves, policy, rules, CATALOG_OF_TRACKS, VECTORS, tracer).compose(candidates)
    return tracer.steps


# Tracks 1, 8 and 15 are by one artist; the user has played the first three.
ROWS: list[Row] = [
    {"track": track, "score": 0.9 - number / 10, "plays_of_track": float(number < 3)}
    for number, track in enumerate((1, 2, 3, 8, 4, 15, 5))
]


@pytest.mark.parametrize(
    ("track", "verdicts"),
    [
        (1, ["shown at 0", "on the page already, or kept for another shelf"]),
        (3, ["outranked", "shown at 0"]),
        (8, ["not for this shelf", "shown at 1"]),
        (15, ["not for this shelf", "capped: better tracks of its artist stand before it"]),
        (5, ["not for this shelf", "outranked"]),
    ],
)
def test_each_position_has_a_verdict(track: int, verdicts: list[str]) -> None:
    steps = traced(track, ROWS, (OWN, ALL))
    assert [step.verdict for step in steps] == verdicts and [step.position for step in steps] == [0, 1]


@pytest.mark.parametrize("diversity", [0.0, 0.9])
def test_the_value_of_a_chosen_shelf_is_the_highest_also_where_it_shows_other_tracks(diversity: float) -> None:
    # tracks 1, 8 and 15 are alike, so the diverse shelf passes 8 over
    rows: list[Row] = [
        {"track": 1, "score": 0.9, "plays_of_track": 1.0},
        {"track": 8, "score": 0.8, "plays_of_track": 1.0},
        {"track": 2, "score": 0.7, "plays_of_track": 1.0},
        {"track": 15, "score": 0.78, "plays_of_track": 0.0},
        {"track": 3, "score": 0.77, "plays_of_track": 0.0},
    ]
    wide = shelf("wide", where=pl.col("plays_of_track") > 0, max_artist_tracks=2)
    other = shelf("other", where=pl.col("plays_of_track") == 0, max_artist_tracks=2)
    first, _ = traced(15, rows, (wide, other), diversity=diversity)
    (waiting,) = first.waiting
    assert first.shelf_index == 0 and first.value > waiting.value
    assert (first.score < first.value) == (diversity > 0)


def test_a_track_that_lost_names_the_winner_and_the_shelves_that_waited() -> None:
    steps = traced(15, ROWS, (OWN, ALL))
    assert steps[1].winner == 8 and steps[0].winner == -1
    (waiting,) = steps[0].waiting
    assert (waiting.shelf_index, waiting.size, waiting.minimum) == (1, 2, 1) and not steps[1].waiting


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (Exclude(tracks=("t08",)), "excluded before: by a rule, or by the user's market"),
        (Cap(1), "capped: the page has enough by its artist"),
    ],
    ids=str,
)
def test_rules_are_named_as_the_reason(rule: Exclude | Cap, verdict: str) -> None:
    steps = traced(8, ROWS, (OWN, shelf("all", is_personal=False)), Rule("r", 1, Audience(), rule))
    assert steps[-1].verdict == verdict
