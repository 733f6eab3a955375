"""The report's tables, text and page."""

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.evaluation.report_charts import charts_of
from pipelines.evaluation.report_page import as_page, write_report
from pipelines.evaluation.report_tables import accuracy_table, tables_of
from pipelines.evaluation.report_text import as_markdown, markdown_table, show_comparison, show_report
from pipelines.evaluation.report_values import ReportValues, best_baselines, verdicts_of
from pipelines.rendering.report_scatter import (
    CHART_HEIGHT,
    CHART_WIDTH,
    LABEL_SIZE,
    axis_domain,
    overlapping,
    place_labels,
)
from tests.pipelines.evaluation.reports import figure, sample_report

NO_PAIRS: dict[str, list] = {"leaks": [], "differences": []}
HOSTILE = "<script>alert(1)</script>|`*\x1b[31m"


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return sample_report()


class Text(HTMLParser):
    """What a browser would show, and which tags are there."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_main_table_shows_repeats_and_discoveries_beside_the_total(report: dict) -> None:
    table = accuracy_table(report, ReportValues(report))
    assert [head for _, head in table.heads] == [*["all", "repeats", "discoveries"] * 2, "coverage@100"]
    rows = {name: cells for name, _, cells in table.rows}
    assert "repeats" not in rows, "a source is no whole list"
    expected = figure("ease", "ndcg@10", "repeats")
    assert rows["ease"][1].text == f"{expected['value']:.4f}"
    assert rows["ease"][1].note == f"{expected['low']:.4f}–{expected['high']:.4f}"
    for column in range(len(table.heads)):
        figures = {name: float(cells[column].text) for name, cells in rows.items()}
        best = [name for name, cells in rows.items() if cells[column].is_best]
        assert len(best) == 1 and figures[best[0]] == max(figures.values())


def test_where_less_is_better_the_least_is_best_and_where_nothing_is_none_is(report: dict) -> None:
    (table,) = (table for table in tables_of(report) if table.title == "Beyond accuracy")
    heads = [head for _, head in table.heads]
    cells = {head: [cells[place] for _, _, cells in table.rows] for place, head in enumerate(heads)}
    kl = [float(cell.text) for cell in cells["genre KL"]]
    assert [float(cell.text) for cell in cells["genre KL"] if cell.is_best] == [min(kl)]
    assert not any(cell.is_best for cell in cells["familiar"])


def test_verdicts_name_the_best_baseline_for_each_kind(report: dict) -> None:
    best = best_baselines(report)
    lines = verdicts_of(report)
    assert len(lines) == 6 and set(best) == {"all", "repeats", "discoveries"}
    for line in lines:
        kind, system = re.match(r"(\w+): (\w+) is", line).groups()
        assert best[kind] in line
        (row,) = (
            row
            for row in report["differences"]
            if (row["system"], row["against"], row["targets"]) == (system, best[kind], kind)
        )
        assert {"better": "is better than", "worse": "is worse than", "no difference": "is no different from"}[
            row["verdict"]
        ] in line


def test_markdown_holds_every_table(report: dict) -> None:
    text = as_markdown(report)
    for table in tables_of(report):
        assert f"\n## {table.title}\n" in text
        lines = markdown_table(table).splitlines()
        assert len(lines) == len(table.rows) + 2
        assert {line.count("|") - line.count("\\|") for line in lines} == {len(table.heads) + 2}


def test_the_page_is_whole_and_needs_no_network(report: dict, tmp_path: Path) -> None:
    write_report(report, str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    shown = Text(page)
    assert shown.tags.count("table") == len(tables_of(report))
    assert shown.tags.count("svg") == 2 * len(charts_of(report)) == 2 * 9
    for table in tables_of(report):
        assert table.title in shown.texts
    assert "Suspected leak: theirs: future_rise is 0.90, at most 0.25 is plausible" in shown.texts
    assert not re.search(r'(?:src|href)="(?!#)', page) and "@import" not in page
    assert len(page) < 1_500_000
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(names)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert (tmp_path / "report.md").read_text() == as_markdown(report)


def hostile(value: Any) -> Any:
    """Every occurrence of the name `theirs` replaced."""
    if isinstance(value, dict):
        return {hostile(key): hostile(one) for key, one in value.items()}
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return value.replace("theirs", HOSTILE).replace("rock", HOSTILE) if isinstance(value, str) else value


def test_names_from_the_data_are_no_markup(report: dict) -> None:
    changed = hostile(copy.deepcopy(report))
    page, text = as_page(changed), as_markdown(changed)
    assert Text(page).tags.count("script") == 1, "the page's own"
    assert "<script" not in text and "\x1b" not in text and "\x1b" not in page
    lines = [line for line in text.splitlines() if line.startswith("| &lt;script")]
    assert lines and all("\\|\\`" in line for line in lines)


@pytest.mark.parametrize(
    "change",
    [
        {"calibration": []},
        {"training": []},
        {"leaks": []},
        {"differences": []},
        {"systems": {"act_r": {"kind": "baseline", "sentence": "", "source": "", "parameters": {}}}, **NO_PAIRS},
        {"systems": {"ranker": {"kind": "ours", "sentence": "", "source": "", "parameters": {}}}, **NO_PAIRS},
        {"values": []},
        {"oracle_shares": {"system": "theirs", "shares": [
            {"system": "ranker", "metric": "ndcg@10", "targets": "all", "share": 0.61}]}},
    ],
    ids=lambda change: ",".join(change),
)  # fmt: skip
def test_what_is_not_there_is_left_out(change: dict, report: dict) -> None:
    changed = {**report, **change}
    page = as_page(changed)
    assert page.endswith("</html>") and as_markdown(changed).startswith("# Evaluation")
    assert ("61%" in page) == ("oracle_shares" in change)


def test_one_cutoff_has_no_table_by_cutoff(report: dict) -> None:
    alone = {
        **report,
        "protocol": {**report["protocol"], "cutoffs": report["protocol"]["cutoffs"][:1]},
        "data": report["data"][:1],
    }
    assert "NDCG@10 by cutoff" not in [table.title for table in tables_of(alone)]
    assert "1 cutoff (2026-01-01)" in as_page(alone)


def test_the_terminal_shows_whole_numbers(report: dict) -> None:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))
    show_report(console, report)
    printed = console.export_text()
    assert "…" not in printed and max(map(len, printed.splitlines())) <= 120
    assert f"{figure('ease', 'recall@100', 'discoveries')['value']:.4f}" in printed
    assert "suspect: theirs: future_rise 0.90, at most 0.25" in printed


def test_a_comparison_says_what_is_no_difference() -> None:
    rows = [
        {"system": "ranker", "metric": "ndcg@10", "targets": "all", "a": 0.1, "b": 0.12, "difference": 0.02,
         "low": low, "high": 0.03, "verdict": verdict}
        for low, verdict in ((0.01, "better"), (-0.01, "no difference"))
    ]  # fmt: skip
    console = Console(width=120, record=True, file=open("/dev/null", "w"))
    show_comparison(console, {"a": "x", "b": "y", "same_users": False, "rows": rows})
    printed = console.export_text()
    assert "▲ better" in printed and "= no difference" in printed and "not the same users" in printed


def test_labels_lie_neither_on_labels_nor_on_points() -> None:
    rows = [{"system": f"system {n}", "kind": "ours", "x": 0.3 + n % 3 / 9, "y": 0.1 + n // 3 / 100} for n in range(8)]
    rows.append({"system": "far", "kind": "baseline", "x": 0.9, "y": 0.5})
    (x_low, x_high), (y_low, y_high) = (axis_domain([row[key] for row in rows]) for key in ("x", "y"))

    def pixels(x: float, y: float) -> tuple[float, float]:
        return (x - x_low) / (x_high - x_low) * CHART_WIDTH, (y_high - y) / (y_high - y_low) * CHART_HEIGHT

    labels, points = [], []
    for row in place_labels(rows):
        left, middle = pixels(row["label_x"], row["label_y"])
        labels.append(
            (left, middle - LABEL_SIZE / 2, left + 0.6 * LABEL_SIZE * len(row["system"]), middle + LABEL_SIZE / 2)
        )
        points.append((*pixels(row["x"], row["y"]), *pixels(row["x"], row["y"])))
        assert abs(left - points[-1][0]) < 100 and abs(middle - points[-1][1]) < 60
    for place, one in enumerate(labels):
        assert 0 <= one[0] and one[2] <= CHART_WIDTH and 0 <= one[1] and one[3] <= CHART_HEIGHT
        assert not any(overlapping(one, other) for other in [*labels[:place], *points])
