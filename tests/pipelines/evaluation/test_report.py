"""The report's tables, text and page."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.evaluation.report_charts import charts_of
from pipelines.evaluation.report_data import (
    EvaluationReport,
    OracleShare,
    OracleShares,
    report_from_json,
    report_to_json,
)
from pipelines.evaluation.report_page import report_to_html, report_to_markdown, write_report
from pipelines.evaluation.report_tables import accuracy_table, tables_of
from pipelines.evaluation.report_text import print_report
from pipelines.evaluation.report_values import ReportValues, best_baselines, key_figures, verdicts_of
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.markdown import markdown_table
from tests.pipelines.evaluation.reports import sample_report, system, value_of, with_names
from tests.pipelines.rendering.page_text import PageText

NO_PAIRS: dict[str, list] = {"leaks": [], "differences": []}
HOSTILE = "<script>alert(1)</script>|`*\x1b[31m"


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    return sample_report()


def test_the_main_table_shows_repeats_and_discoveries_beside_the_total(report: EvaluationReport) -> None:
    table = accuracy_table(report, ReportValues(report))
    assert [head for _, head in table.heads] == [*["all", "repeats", "discoveries"] * 2, "coverage@100"]
    rows = {name: cells for name, _, cells in table.rows}
    assert "repeats" not in rows, "a source is no whole list"
    expected = value_of("ease", "ndcg@10", "repeats")
    assert rows["ease"][1].text == f"{expected.value:.4f}"
    assert rows["ease"][1].note == f"{expected.low:.4f}–{expected.high:.4f}"
    for column in range(len(table.heads)):
        values = {name: float(cells[column].text) for name, cells in rows.items()}
        best = [name for name, cells in rows.items() if cells[column].is_best]
        assert len(best) == 1 and values[best[0]] == max(values.values())


def test_where_less_is_better_the_least_is_best_and_where_nothing_is_none_is(report: EvaluationReport) -> None:
    (table,) = (table for table in tables_of(report) if table.title == "Beyond accuracy")
    heads = [head for _, head in table.heads]
    cells = {head: [cells[column] for _, _, cells in table.rows] for column, head in enumerate(heads)}
    kl = [float(cell.text) for cell in cells["genre KL"]]
    assert [float(cell.text) for cell in cells["genre KL"] if cell.is_best] == [min(kl)]
    assert not any(cell.is_best for cell in cells["repeats"])


def test_verdicts_name_the_best_baseline_for_each_kind(report: EvaluationReport) -> None:
    best = best_baselines(report)
    verdicts = verdicts_of(report)
    assert len(verdicts) == 6 and set(best) == {"all", "repeats", "discoveries"}
    words = {"better": "is better than", "worse": "is worse than", "no difference": "is no different from"}
    for one in verdicts:
        kind, name = re.match(r"(\w+): (\w+) is", one.sentence).groups()
        assert best[kind] in one.sentence
        (row,) = (
            row for row in report.differences if (row.system, row.against, row.targets) == (name, best[kind], kind)
        )
        assert words[row.verdict] in one.sentence and one.verdict == row.verdict


def test_markdown_holds_every_table(report: EvaluationReport) -> None:
    text = report_to_markdown(report)
    for table in tables_of(report):
        assert f"\n## {table.title}\n" in text
        lines = markdown_table(table).splitlines()
        assert len(lines) == len(table.rows) + 2
        assert {line.count("|") - line.count("\\|") for line in lines} == {len(table.heads) + 2}


def test_the_page_is_whole_and_needs_no_network(report: EvaluationReport, tmp_path: Path) -> None:
    write_report(report, str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    shown = PageText(page)
    assert shown.tags.count("table") == len(tables_of(report))
    assert shown.tags.count("svg") == len(charts_of(report)) == 9
    for table in tables_of(report):
        assert table.title in shown.texts
    assert "Suspected leak: theirs: future_rise is 0.90, at most 0.25 is plausible" in shown.texts
    assert not re.search(r'(?:src|href)="(?!#)', page) and "@import" not in page
    assert len(page) < 300_000
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(names)
    assert report_from_json((tmp_path / "report.json").read_bytes()) == report
    assert (tmp_path / "report.md").read_text() == report_to_markdown(report)


def test_markdown_begins_with_the_figures_of_the_page(report: EvaluationReport) -> None:
    text, figures = report_to_markdown(report), key_figures(report)
    assert figures and all(f"- {one.label}: **{one.value}**" in text.partition("## ")[0] for one in figures)


def test_a_system_is_written_without_what_it_lacks(report: EvaluationReport) -> None:
    systems = json.loads(report_to_json(report))["systems"]
    assert list(systems) == list(report.systems) and set(systems["ease"]) == {
        "kind",
        "sentence",
        "source",
        "parameters",
    }


def test_names_from_the_data_are_no_markup(report: EvaluationReport) -> None:
    changed = with_names(report, HOSTILE)
    page, text = report_to_html(changed), report_to_markdown(changed)
    assert PageText(page).tags.count("script") == 1, "the page's own"
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
        {"systems": {"act_r": system("act_r", "baseline")}, **NO_PAIRS},
        {"systems": {"ranker": system("ranker", "ours")}, **NO_PAIRS},
        {"values": []},
        {"oracle_shares": OracleShares("theirs", [OracleShare("ranker", "ndcg@10", "all", 0.61)])},
    ],
    ids=lambda change: ",".join(change),
)
def test_what_is_not_there_is_left_out(change: dict[str, Any], report: EvaluationReport) -> None:
    changed = replace(report, **change)
    page = report_to_html(changed)
    assert page.endswith("</html>") and report_to_markdown(changed).startswith("# Evaluation")
    assert ("61%" in page) == ("oracle_shares" in change)


def test_one_cutoff_has_no_table_by_cutoff(report: EvaluationReport) -> None:
    protocol = replace(report.protocol, cutoffs=report.protocol.cutoffs[:1])
    alone = replace(report, protocol=protocol, data=report.data[:1])
    assert "NDCG@10 by cutoff" not in [table.title for table in tables_of(alone)]
    assert "1 cutoff (2026-01-01)" in report_to_html(alone)


def test_the_terminal_shows_whole_numbers(report: EvaluationReport) -> None:
    console = PlainConsole(width=120, record=True, file=open("/dev/null", "w"))
    print_report(console, report)
    printed = console.export_text()
    assert "…" not in printed and max(map(len, printed.splitlines())) <= 120
    assert f"{value_of('ease', 'recall@100', 'discoveries').value:.4f}" in printed
    assert "suspect: theirs: future_rise 0.90, at most 0.25" in printed
