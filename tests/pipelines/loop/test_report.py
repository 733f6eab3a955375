"""The report of a loop: differences by hand, sentences on narrowing and stops, and a page that a browser shows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from pipelines.loop.loop import Stop
from pipelines.loop.report_data import LoopReport, contrast_arms, loop_report_to_json, make_loop_report
from pipelines.loop.report_page import write_loop_report
from pipelines.loop.report_tables import loop_tables, loop_verdicts
from tests.pipelines.loop.made_up_loops import FakeRuns, options, run_fake
from tests.pipelines.rendering.browsing import SCREENSHOTS, barriers, opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> LoopReport:
    given = options(tmp_path_factory.mktemp("loop"), num_days=16, num_users=60, faults=((5, "delayed_events", 0.7),))
    with pytest.MonkeyPatch.context() as monkeypatch:
        log = run_fake(monkeypatch, given, FakeRuns(stopped=[("greedy", 5)]))
    return make_loop_report(given, log, "homeshelf loop --output=out")


def test_differences_are_those_of_the_listeners_means(report: LoopReport, tmp_path: Path, monkeypatch) -> None:
    log = run_fake(monkeypatch, options(tmp_path))
    control, treatment = log.counts[0], log.counts[1]
    before, after = (sum(day.by_user["listens"] for day in days) / 3 for days in (control, treatment))
    paired = contrast_arms("greedy", "listens", control, treatment, is_paired=True)
    each = after - before
    assert paired.difference == pytest.approx(each.mean())
    assert paired.high - paired.low == pytest.approx(2 * 1.96 * each.std(ddof=1) / np.sqrt(30))
    apart = contrast_arms("greedy", "listens", control, treatment, is_paired=False)
    assert apart.high - apart.low == pytest.approx(2 * 1.96 * np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / 30))


def test_json_has_every_value_of_every_curve(report: LoopReport) -> None:
    found = json.loads(loop_report_to_json(report))
    assert list(found["arms"]) == ["none", "greedy", "explorer"]
    assert all(len(values) == 16 for curves in found["curves"].values() for values in curves.values())


def test_sentences_say_what_narrows_what_was_stopped_and_what_was_not(report: LoopReport) -> None:
    falling = {**report.curves["greedy"], "page_coverage": [0.5] * 8 + [0.4] * 8}
    curves = {**report.curves, "greedy": falling}
    said = "\n".join(sentence for _, sentence in loop_verdicts(replace(report, curves=curves)))
    assert "greedy narrows: 40.0% of the catalog on its pages in the last week, 50.0% in the first (-20.0%)" in said
    assert "explorer does not narrow" in said and "none does not narrow" not in said
    assert "greedy, run before day 6: stopped by the gate: drift is 9, at most 1" in said
    assert "delayed_events of 70% on day 5: not stopped in explorer" in said


def test_a_fault_that_every_arm_stops_is_no_finding(report: LoopReport) -> None:
    stops = [Stop(arm, 6, ("x is 1",)) for arm in ("greedy", "explorer")]
    assert not any("not stopped" in sentence for _, sentence in loop_verdicts(replace(report, stops=stops)))


@pytest.fixture(scope="module")
def written(report: LoopReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Charts take seconds: the files are written once."""
    folder = tmp_path_factory.mktemp("report")
    write_loop_report(report, str(folder))
    return folder


def test_markdown_has_the_tables_of_the_page(report: LoopReport, written: Path) -> None:
    text = (written / "loop.md").read_text()
    assert all(f"## {table.title}" in text for table in loop_tables(report))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_the_page(written: Path, browser: Browser, scheme: str, width: int) -> None:
    page = opened(browser, written / "loop.html", scheme, width)
    assert page.title() == "Loop" and page.wrong == []  # type: ignore[attr-defined]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("figure").count() == 11
    page.screenshot(path=SCREENSHOTS / f"loop-{scheme}.png", full_page=True)
    assert barriers(page) == []
