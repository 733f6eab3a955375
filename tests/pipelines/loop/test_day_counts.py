"""Counts of a day against plain loops, and the curves drawn of them."""

import numpy as np
import polars as pl
import pytest

from pipelines.loop.day_counts import CHURN_DAYS, CURVES, WINDOW_DAYS, DayCounts, count_day, draw_curves, gini
from pipelines.sample_world.serving.response import Response
from pipelines.sample_world.serving.serve_day import serve_day
from tests.pipelines.sample_world.serving.made_up_cards import START_MS, TRACKS, USERS, pages, world


def test_counts_of_a_day_are_those_of_a_plain_loop() -> None:
    cards, members = pages(), np.arange(0, USERS, 2)
    _, day = serve_day(np.random.default_rng(1), world(), cards, Response(request_share=1.0, start=1.0), START_MS)
    found = count_day(day, pl.DataFrame({"track": cards.track}), members, USERS, TRACKS)
    known = set()
    expected = {name: dict.fromkeys(members.tolist(), 0) for name in found.by_user}
    listens = np.zeros(TRACKS, dtype=int)
    for user, track, ms, look, is_new in zip(
        day.plays.user, day.plays.track, day.outcomes.ms_played, day.look, day.is_new, strict=True
    ):
        first = (user, track) not in known
        known.add((user, track))
        if user not in expected["plays"]:
            continue
        is_listen = ms >= 30_000
        listens[track] += is_listen
        for name, is_counted in {
            "plays": True,
            "skips": not is_listen,
            "listens": is_listen,
            "from_home": is_listen and look >= 0,
            "new_tracks": is_listen and is_new and first,
            "starts": look >= 0,
        }.items():
            expected[name][user] += is_counted
    for user in members.tolist():
        expected["is_listening"][user] = int(expected["listens"][user] > 0)
        expected["requests"][user] = int((day.request_user == user).sum())
    assert {name: column.tolist() for name, column in found.by_user.items()} == {
        name: list(column.values()) for name, column in expected.items()
    }
    assert found.listens.tolist() == listens.tolist() and found.cards.sum() == len(cards.track)


@pytest.mark.parametrize(
    ("exposure", "expected"), [([1, 1, 1, 1], 0.0), ([0, 0, 0, 5], 0.75), ([1, 3], 0.25), ([0, 0], None)]
)
def test_gini(exposure: list[int], expected: float | None) -> None:
    assert gini(np.array(exposure)) == expected


def day_of(listening: list[int], listens: list[int]) -> DayCounts:
    by_user = {name: np.array(listening) for name in ("is_listening", "listens", "new_tracks", "plays", "from_home")}
    by_user |= {"skips": np.zeros(2, dtype=int), "requests": np.zeros(2, dtype=int), "starts": np.zeros(2, dtype=int)}
    return DayCounts(np.arange(2), by_user, np.array(listens), np.zeros(4, dtype=int))


def test_curves_are_of_the_days_up_to_each_and_none_where_nothing_is() -> None:
    days = [day_of([1, 0], [1, 0, 0, 0])] * WINDOW_DAYS + [day_of([0, 0], [0, 0, 0, 1])]
    found = draw_curves(days, np.array([True, True]))
    assert set(found) == {curve.name for curve in CURVES} | {"churn"}
    none_yet = [None] * (WINDOW_DAYS - 1)
    assert found["listening_days"] == [*none_yet, 0.5, pytest.approx(0.5 * (WINDOW_DAYS - 1) / WINDOW_DAYS)]
    assert found["coverage"] == [*none_yet, 0.25, 0.5]
    assert draw_curves(days[:3], np.array([True, True]))["coverage"] == [None, None, 0.25]
    assert set(found["starts"]) == set(found["page_coverage"]) == {None}


def test_churn_is_of_those_who_listened_before_and_is_unknown_at_first() -> None:
    days = [day_of([1, 0], [1, 0, 0, 0])] + [day_of([0, 0], [0, 0, 0, 0])] * CHURN_DAYS
    churn = draw_curves(days, np.array([True, False]))["churn"]
    assert churn == [None] * (CHURN_DAYS - 1) + [0.0, 1.0]
    assert set(draw_curves(days, np.array([False, False]))["churn"]) == {None}
