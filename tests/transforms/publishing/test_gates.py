"""Limits that a run violates."""

from dataclasses import replace
from typing import Any

import pytest

from transforms.publishing.gates import LIMITS, GateSettings, check_limits
from transforms.publishing.manifest import GateFindings, LastDayCounts, LedgerFigure, QueueCounts, RunMetrics

LEDGER = {
    "tail_recall": LedgerFigure(500, 0.5, 0.45, 0.55),
    "artist_adoption": LedgerFigure(500, 0.3, 0.25, 0.35),
    "recommended_share": LedgerFigure(500, 0.4, 0.38, 0.42),
    "over_merit_0": LedgerFigure(500, 1.0, 0.9, 1.1),
}

METRICS = RunMetrics(
    events=1000,
    rejected={"unknown_track": 10},
    users=100,
    pages=100,
    empty_pages=0,
    users_with_page=100,
    shelves={"fresh": 100, "on_repeat": 300},
    tracks_by_shelf={"fresh": 1000, "on_repeat": 3000},
    tracks_on_pages=500,
    deep_cards=800,
    cards_by_decile=(500, 400, 400, 400, 400, 400, 400, 400, 400, 300),
    tracks=1000,
    last_day=LastDayCounts(plays=200, impressions=1000, without_propensity=10, keys=995, repeats=5),
    queues=QueueCounts(made=100, relaxed=5),
    auc=0.7,
    ledger=LEDGER,
    histograms={"score": {"1": 50, "5": 50}, "age": {"2": 100}},
)
TRAINING = {"age": {"2": 100}}
VIOLATED: dict[str, dict[str, Any]] = {
    "pages": {"pages": 0, "users_with_page": 0, "shelves": {}, "tracks_by_shelf": {}, "tracks_on_pages": 0},
    "users_without_page": {"users": 101},
    "empty_pages": {"empty_pages": 2},
    "shelves_per_page": {"shelves": {"fresh": 90}, "tracks_by_shelf": {"fresh": 900}},
    "tracks_per_shelf": {"tracks_by_shelf": {"fresh": 799}},
    "coverage": {"tracks_on_pages": 9},
    "auc": {"auc": 0.49},
    "relaxed_queues": {"queues": QueueCounts(made=100, relaxed=6)},
    "events_change": {"events": 1501},
    "rejected": {"rejected": {"unknown_track": 11, "missing_user": 11}},
    "rejected_rise": {"rejected": {"unknown_track": 4, "missing_user": 6}},
    "pages_drop": {"pages": 89, "users": 89, "users_with_page": 89},
    "shelves_change": {"shelves": {"fresh": 270}, "tracks_by_shelf": {"fresh": 2700}},
    "deep_drop": {"deep_cards": 559},
    "head_rise": {"cards_by_decile": (700, 300, 300, 400, 400, 400, 400, 400, 400, 300)},
    "tail_recall_drop": {"ledger": {**LEDGER, "tail_recall": LedgerFigure(500, 0.35, 0.31, 0.39)}},
    "adoption_drop": {"ledger": {**LEDGER, "artist_adoption": LedgerFigure(500, 0.2, 0.17, 0.23)}},
    "organic_drop": {"ledger": {**LEDGER, "recommended_share": LedgerFigure(500, 0.55, 0.53, 0.57)}},
    "head_over_merit_rise": {"ledger": {**LEDGER, "over_merit_0": LedgerFigure(500, 1.5, 1.31, 1.7)}},
    "coverage_drop": {"tracks_on_pages": 249},
    "last_day_drop": {"last_day": replace(METRICS.last_day, plays=99)},
    "repeated_impressions": {"last_day": replace(METRICS.last_day, repeats=11)},
    "lost_propensities": {"last_day": replace(METRICS.last_day, without_propensity=61)},
    "drift": {"histograms": {"score": {"1": 2, "5": 98}, "age": {"2": 100}}},
    "training_drift": {"training": {"age": {"3": 1_000_000}}},
}


def check(settings: GateSettings, training: Any = TRAINING, **changed: Any) -> GateFindings:
    return check_limits(replace(METRICS, **changed), training, settings)


def violated(settings: GateSettings, **changed: Any) -> set[str]:
    return {sentence.split()[0] for sentence in check(settings, **changed).violated}


def test_a_run_like_the_one_before_violates_nothing() -> None:
    findings = check(GateSettings(0.0, "fail", {}, METRICS))
    assert findings.violated == findings.failed == () and set(findings.values) == {limit.name for limit in LIMITS}


@pytest.mark.parametrize("name", [limit.name for limit in LIMITS])
def test_every_limit_can_be_violated_and_moved(name: str) -> None:
    assert name in violated(GateSettings(0.0, "warn", {}, METRICS), **VIOLATED[name])
    is_minimum = next(limit.is_minimum for limit in LIMITS if limit.name == name)
    loose = GateSettings(0.0, "warn", {name: 0.0 if is_minimum else 1e9}, METRICS)
    assert name not in violated(loose, **VIOLATED[name])


@pytest.mark.parametrize("low", [0.2, None])
def test_a_drop_of_the_ledger_within_its_interval_stops_no_run(low: float | None) -> None:
    """A figure of few users moves by chance, and one of too few has no interval at all."""
    high = None if low is None else 0.5
    figure = LedgerFigure(120 if low else 20, 0.35, low, high)
    findings = check(GateSettings(0.0, "fail", {}, METRICS), ledger={**LEDGER, "tail_recall": figure})
    assert findings.violated == () and ("tail_recall_drop" in findings.values) == (low is not None)


def test_more_pages_than_before_are_no_drop() -> None:
    grown = {"pages": 200, "users": 200, "users_with_page": 200, "shelves": {"fresh": 800}}
    assert violated(GateSettings(0.0, "warn", {}, METRICS), **grown) == set()


def test_what_rises_with_the_age_of_the_log_is_shown_and_stops_no_run() -> None:
    name = "track_days_since_first_play"
    before = replace(METRICS, histograms={**METRICS.histograms, name: {"20": 100}})
    found = check(GateSettings(0.0, "fail", {}, before), histograms={**METRICS.histograms, name: {"21": 100}})
    assert found.drift[name] > 0.5 and found.failed == ()


def test_without_a_run_before_there_is_no_change_to_check() -> None:
    findings = check(GateSettings(0.0, "fail", {}, None), auc=None)
    assert findings.violated == ()
    assert not set(findings.values) & {
        "events_change",
        "pages_drop",
        "shelves_change",
        "deep_drop",
        "head_rise",
        "tail_recall_drop",
        "adoption_drop",
        "organic_drop",
        "head_over_merit_rise",
        "coverage_drop",
        "drift",
        "auc",
        "rejected_rise",
        "last_day_drop",
        "lost_propensities",
    }


@pytest.mark.parametrize(
    ("mode", "listed", "fails"), [("warn", True, False), ("fail", True, True), ("off", False, False)]
)
def test_the_mode_says_what_a_violated_limit_does(mode: str, listed: bool, fails: bool) -> None:
    findings = check(GateSettings(0.0, mode, {}, None), auc=0.49)
    sentences = ("auc is 0.49, at least 0.5",)
    assert findings.violated == (sentences if listed else ()) and findings.failed == (sentences if fails else ())


@pytest.mark.parametrize(("mode", "fails"), [("warn", True), ("fail", True), ("off", False)])
def test_known_users_without_any_page_fail_with_a_warning_gate_too(mode: str, fails: bool) -> None:
    findings = check(GateSettings(0.0, mode, {}, None), **VIOLATED["pages"])
    assert ("pages is 0, at least 1" in findings.failed) is fails
    assert mode == "fail" or set(findings.failed) <= {"pages is 0, at least 1"}


def test_a_run_without_users_passes() -> None:
    nothing = RunMetrics(events=1000, rejected={"unknown_track": 10})
    assert check_limits(nothing, {}, GateSettings(0.0, "fail", {}, None)).violated == ()
