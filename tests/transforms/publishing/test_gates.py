"""Which limits a run breaks."""

from typing import Any

import pytest

from transforms.publishing.gates import LIMITS, GateSettings, check_limits

FIGURES: dict[str, Any] = {
    "events": 1000,
    "rejected": {"unknown_track": 10},
    "users": 100,
    "pages": 100,
    "empty_pages": 0,
    "users_with_page": 100,
    "shelves": {"fresh": 100, "on_repeat": 300},
    "tracks_on": {"fresh": 1000, "on_repeat": 3000},
    "tracks_shown": 500,
    "tracks": 1000,
    "auc": 0.7,
    "histograms": {"score": {"1": 50, "5": 50}, "age": {"2": 100}},
    "training_histograms": {"age": {"2": 100}},
}
BROKEN: dict[str, dict[str, Any]] = {
    "users_without_page": {"users": 101},
    "empty_pages": {"empty_pages": 2},
    "shelves_per_page": {"shelves": {"fresh": 90}, "tracks_on": {"fresh": 900}},
    "tracks_per_shelf": {"tracks_on": {"fresh": 799}},
    "coverage": {"tracks_shown": 9},
    "auc": {"auc": 0.49},
    "events_change": {"events": 1501},
    "rejected": {"rejected": {"unknown_track": 11, "missing_user": 11}},
    "rejected_rise": {"rejected": {"unknown_track": 4, "missing_user": 6}},
    "pages_drop": {"pages": 89, "users": 89, "users_with_page": 89},
    "shelves_change": {"shelves": {"fresh": 270}, "tracks_on": {"fresh": 2700}},
    "coverage_drop": {"tracks_shown": 249},
    "drift": {"histograms": {"score": {"1": 2, "5": 98}, "age": {"2": 100}}},
    "training_drift": {"training_histograms": {"age": {"3": 1_000_000}}},
}


def broken(checks: GateSettings, **changed: Any) -> set[str]:
    return {sentence.split()[0] for sentence in check_limits({**FIGURES, **changed}, checks)["broken"]}


def test_a_run_like_the_one_before_breaks_nothing() -> None:
    gate = check_limits(FIGURES, GateSettings(0.0, "fail", {}, FIGURES))
    assert gate["broken"] == gate["failed"] == [] and set(gate["values"]) == {limit.name for limit in LIMITS}


@pytest.mark.parametrize("name", [limit.name for limit in LIMITS])
def test_every_limit_can_be_broken_and_moved(name: str) -> None:
    assert name in broken(GateSettings(0.0, "warn", {}, FIGURES), **BROKEN[name])
    is_minimum = next(limit.is_minimum for limit in LIMITS if limit.name == name)
    loose = GateSettings(0.0, "warn", {name: 0.0 if is_minimum else 1e9}, FIGURES)
    assert name not in broken(loose, **BROKEN[name])


def test_more_pages_than_before_are_no_drop() -> None:
    grown = {"pages": 200, "users": 200, "users_with_page": 200, "shelves": {"fresh": 800}}
    assert broken(GateSettings(0.0, "warn", {}, FIGURES), **grown) == set()


def test_without_a_run_before_there_is_no_change_to_judge() -> None:
    gate = check_limits({**FIGURES, "auc": None}, GateSettings(0.0, "fail", {}, {}))
    assert gate["broken"] == []
    assert not set(gate["values"]) & {
        "events_change",
        "pages_drop",
        "shelves_change",
        "coverage_drop",
        "drift",
        "auc",
        "rejected_rise",
    }


def test_a_run_without_users_passes() -> None:
    nothing = {"users": 0, "pages": 0, "shelves": {}, "tracks_on": {}, "tracks_shown": 0, "tracks": 0, "auc": None}
    assert broken(GateSettings(0.0, "fail", {}, {}), **nothing, histograms={}, training_histograms={}) == set()
