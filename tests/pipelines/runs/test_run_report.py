"""The page of a run: what is on it is what the run said of itself."""

import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipelines.cli import main
from pipelines.runs.report_data import RunReportData
from pipelines.runs.run_report import render_run_report
from pipelines.runs.run_tables import exposure_table, ledger_table
from tests.pipelines.rendering.browsing import SCREENSHOTS, barriers, opened
from tests.pipelines.rendering.page_text import PageText
from tests.runs import Published
from transforms.publishing.gates import LIMITS
from transforms.publishing.manifest import LedgerFigure, Manifest, RunMetrics

TITLES = ["Funnel", "Rejects", "Shelves", "Drift", "Training", "Scores", "Stages", "Runs"]


@pytest.fixture(scope="module")
def output(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a day, of which the second has broken a limit and was held back."""
    day = tmp_path_factory.mktemp("reported") / published.pointer.parent.name
    for name in ("run=a", "run=b"):
        shutil.copytree(published.folder, day / name)
        (day / name / "manifest.json").write_text(json.dumps({**published.manifest, "run": name}))
    manifest = json.loads((day / "run=b" / "manifest.json").read_text())
    manifest["published_at"] = "2030-01-01T00:00:00+00:00"
    manifest["events"]["rejected"] = {"unknown_track": 123, "in_the_future": 45}
    manifest["gate"] |= {"drift": {"activation": 0.75}, "violated": ["drift is 0.75, at most 0.5"], "failed": ["drift"]}
    manifest["gate"]["values"]["drift"] = {"value": 0.75, "bound": 0.5}
    (day / "run=b" / "manifest.json").write_text(json.dumps(manifest))
    (day / "CURRENT").write_text("run=a")
    return day.parent


@pytest.fixture(scope="module")
def page(output: Path) -> Path:
    (run,) = output.glob("ds=*/run=b")
    assert main(["report", f"--run={run}"]) == 0
    return run / "report.html"


def test_everything_on_it_is_what_the_run_said(published: Published, page: Path) -> None:
    shown, manifest = PageText(page.read_text()), json.loads((page.parent / "manifest.json").read_text())
    assert [text for text in shown.texts if text in TITLES] == 2 * TITLES, "contents, and charts"
    events, metrics = manifest["events"], manifest["metrics"]
    steps = [events["read"], events["kept"], manifest["tables"]["candidates"]["rows"], metrics["tracks_on_pages"]]
    for n in [*steps, sum(metrics["tracks_by_shelf"].values())]:
        assert f"{n:,}" in shown.texts
    for reason, n in events["rejected"].items():
        assert reason.replace("_", " ") in shown.texts and f"{n:,}: {n / events['read']:.2%}" in shown.texts
    for feature in manifest["gate"]["training_drift"]:
        assert feature in shown.texts
    for shelf in metrics["shelves"]:
        assert shelf.replace("_", " ") in shown.texts
    assert "Out of its limits: drift is 0.75, at most 0.5" in shown.texts
    assert "The gate kept the pointer where it was: consumers read the run before." in shown.texts
    assert {limit.name for limit in LIMITS if limit.name in manifest["gate"]["values"]} <= set(shown.texts)
    stages = [json.loads(line) for line in (published.folder / "stages.jsonl").read_text().splitlines()]
    assert stages[-1]["stage"] == "run" and {line["stage"] for line in stages} <= set(shown.texts)


def test_every_stage_of_a_run_has_a_line(published: Published) -> None:
    lines = [json.loads(line) for line in (published.folder / "stages.jsonl").read_text().splitlines()]
    stages = {line["stage"]: line for line in lines}
    assert len(stages) == len(lines) and stages["clean_events"]["rows"] == published.manifest["events"]["read"]
    files = published.manifest["tables"]["pages"]["files"]
    assert stages["write_pages"]["bytes"] == sum(file["bytes"] for file in files)
    assert all(0 <= line["seconds"] < 600 and 1e7 < line["peak_bytes"] < 1e11 for line in lines)
    assert stages["run"]["peak_bytes"] == max(line["peak_bytes"] for line in lines)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_whole_without_a_network(browser: Browser, page: Path, scheme: str) -> None:
    looked_at = opened(browser, page, scheme)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    looked_at.screenshot(path=SCREENSHOTS / f"report-{scheme}.png", full_page=True)
    assert looked_at.locator("figure svg:visible").count() == len(TITLES)
    assert barriers(looked_at) == [] and looked_at.wrong == []  # type: ignore[attr-defined]
    text = page.read_text()
    names = re.findall(r'\bid="([^"]+)"', text)
    assert len(names) == len(set(names)) and len(text) < 400_000


def test_it_fits_a_telephone(browser: Browser, page: Path) -> None:
    looked_at = opened(browser, page, width=390)
    assert looked_at.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_a_run_does_not_have_is_left_out(published: Published) -> None:
    nothing = {"pages": 0, "shelves": {}, "tracks_by_shelf": {}, "histograms": {}, "auc": None}
    metrics = {**published.manifest["metrics"], **nothing}
    gate = {**published.manifest["gate"], "drift": {}, "training_drift": {}}
    tables = {name: published.manifest["tables"][name] for name in ("features", "holdout", "rejected")}
    changed = {"metrics": metrics, "gate": gate, "tables": tables, "training": None}
    manifest = Manifest.from_json({**published.manifest, **changed})
    shown = PageText(render_run_report(RunReportData.from_manifests(manifest, [], [manifest])))
    assert [text for text in shown.texts if text in TITLES] == 2 * ["Funnel"]


def test_the_runs_before_are_those_that_could_be_read(output: Path, page: Path) -> None:
    (run,) = output.glob("ds=*/run=a")
    assert main(["report", f"--run={output}", f"--file={output}/a.html"]) == 0
    shown = PageText((output / "a.html").read_text())
    assert any(text.startswith("run=a as of") for text in shown.texts) and "Runs" not in shown.texts
    assert "Runs" in PageText(page.read_text()).texts and not (run / "report.html").exists()


def test_a_run_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", f"--run={tmp_path}"]) == 2
    assert "no published run there" in capsys.readouterr().err


def test_axes_say_their_values_as_they_are(page: Path) -> None:
    # 0.25 once stood there as 0.3
    assert {"0.05", "0.25", "0.5"} <= set(PageText(page.read_text()).texts)


def test_the_ledger_stands_beside_that_of_the_run_before() -> None:
    now = {"tail_recall": LedgerFigure(412, 0.3, 0.25, 0.35), "shown_0": LedgerFigure(412, 0.5, 0.4, 0.6)}
    before = Manifest(metrics=RunMetrics(ledger={"tail_recall": LedgerFigure(400, 0.4, None, None)}))
    run = Manifest(metrics=RunMetrics(ledger=now))
    table = ledger_table(RunReportData.from_manifests(run, [], [before, run]))
    assert table and [name for name, _, _ in table.rows] == ["tail_recall"]
    assert [cell.text for cell in table.rows[0][2]][:3] == ["0.3 (0.25 to 0.35)", "412", "0.4"]
    assert ledger_table(RunReportData(Manifest(), [], [])) is None


def test_exposure_is_compared_with_the_tenth_of_plays_that_a_decile_has() -> None:
    cards = (30, *[5] * 9)
    data = RunReportData(Manifest(metrics=RunMetrics(cards_by_decile=cards)), [], [])
    table = exposure_table(data)
    assert table and [cell.text for cell in table.rows[0][2]] == ["30", "40.0%", "4.00"]
    assert sum(float(cells[2].text) for _, _, cells in table.rows) == pytest.approx(10, abs=0.1)
    assert exposure_table(RunReportData(Manifest(), [], [])) is None
