"""What comes from outside is text on every page, whatever it holds: markup, control characters, ten megabytes."""

import copy
import io
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from pipelines.cli import main
from pipelines.evaluation.report_data import report_to_json
from pipelines.evaluation.report_page import report_to_html, report_to_markdown
from pipelines.launch.stage_lines import StageLine
from pipelines.launch.summary import print_summary
from pipelines.rendering.console import PlainConsole
from pipelines.runs.report_data import RunReportData
from pipelines.runs.run_report import render_run_report
from tests.pipelines.evaluation.reports import sample_report, with_names
from tests.pipelines.hostile import HUGE, TEXTS
from tests.pipelines.rendering.browsing import opened
from tests.pipelines.rendering.page_text import PageText
from tests.runs import Published
from transforms.publishing.manifest import Manifest

CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")


def held(browser: Browser, path: Path, title: str) -> Any:
    """Open a page and hold that nothing on it was run, asked for or added."""
    page = opened(browser, path)
    page.wait_for_timeout(100)
    assert page.title() == title and page.wrong == []  # type: ignore[attr-defined]
    assert page.locator("img, iframe, object, a[href^='http'], [onmouseover], [onerror]").count() == 0
    assert not CONTROLS.search(path.read_text())
    return page


def test_the_preview_of_a_hostile_world(browser: Browser, bad_day: Published, tmp_path: Path) -> None:
    path = tmp_path / "preview.html"
    # ids with commas cannot be asked for by name: all of them
    assert main(["preview", f"--run={bad_day.folder}", "--num_users=500", f"--file={path}"]) == 0
    page = held(browser, path, "Home preview")
    listed = page.get_by_label("Listener", exact=True).last.locator("option").all_text_contents()
    assert {text for name, text in TEXTS.items() if name not in ("controls", "spaces")} <= set(listed)
    assert path.stat().st_size < 10_000_000


def test_the_page_of_a_hostile_run(browser: Browser, bad_day: Published, tmp_path: Path) -> None:
    assert main(["report", f"--run={bad_day.folder}", f"--file={tmp_path}/report.html"]) == 0
    held(browser, tmp_path / "report.html", "Run as of 2026-01-01 00:00")


def test_the_summary_of_a_hostile_run_gives_a_terminal_no_orders(bad_day: Published) -> None:
    console = PlainConsole(file=io.StringIO(), width=120)
    print_summary(console, str(bad_day.folder), is_whole=True)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Home of" in text and not CONTROLS.search(text)


@pytest.mark.parametrize("text", [*TEXTS.values(), HUGE], ids=[*TEXTS, "huge"])
def test_the_page_of_a_run_whose_manifest_is_hostile(
    browser: Browser, published: Published, tmp_path: Path, text: str
) -> None:
    manifest = copy.deepcopy(published.manifest)
    manifest |= {"homeshelf": text, "run": text, "disabled": {text: text}, "conflicts": {text: 3}}
    manifest["options"] = {text: text}
    manifest["events"]["rejected"] = {text: 5}
    manifest["tables"][text] = {"rows": 1, "files": []}
    manifest["training"] |= {"fallback": text, "holdout": {text: manifest["training"]["holdout"]["ranker"]}}
    manifest["gate"] |= {"violated": [text], "failed": [text], "drift": {text: 1.0}, "training_drift": {text: 1.0}}
    manifest["gate"]["values"][text] = {"value": 1.0, "bound": 1.0}
    stages = [StageLine(text, tables=1, rows=1, bytes=1, seconds=1.0, peak_bytes=1)]
    path = tmp_path / "report.html"
    read = Manifest.from_json(manifest)
    path.write_text(render_run_report(RunReportData.from_manifests(read, stages, [read, read])))
    held(browser, path, "Run as of 2026-01-01 00:00")
    assert PageText(path.read_text()).tags.count("script") == 1 and path.stat().st_size < 1_500_000


@pytest.mark.parametrize("text", [*TEXTS.values(), HUGE[:1_000_000]], ids=[*TEXTS, "huge"])
def test_the_report_of_an_evaluation_with_hostile_names(browser: Browser, tmp_path: Path, text: str) -> None:
    report = with_names(sample_report(), text)
    path = tmp_path / "report.html"
    path.write_text(report_to_html(report))
    held(browser, path, "Evaluation 2026-01-01")
    assert PageText(path.read_text()).tags.count("script") == 1 and path.stat().st_size < 3_000_000
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", report_to_markdown(report)) and report_to_json(report)
