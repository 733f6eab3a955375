"""The report on a terminal and as Markdown."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from pipelines.evaluation.report_tables import accuracy_table, oracle_share_table, ranker_table, tables_of
from pipelines.evaluation.report_values import MARKS, Report, ReportValues, headline_of, verdicts_of
from pipelines.rendering.plain_text import printable
from pipelines.rendering.table_cells import Cell, Table, number

STYLES = {"ours": "bold cyan", "baseline": "", "source": "dim", "given": "magenta"}


def show_report(console: Console, report: Report) -> None:
    """Print the main tables and what they come to."""
    values = ReportValues(report)
    console.print(f"\n[bold]Evaluation[/]: {escape(headline_of(report))}\n", highlight=False)
    console.print(_rich(accuracy_table(report, values)))
    if report["oracle_shares"]:
        console.print(_rich(oracle_share_table(report)))
    console.print(_rich(ranker_table(values)))
    for line in verdicts_of(report):
        console.print(f"- {escape(line)}", highlight=False)
    for leak in report["leaks"]:
        if leak["is_suspect"]:
            text = f"suspect: {leak['system']}: {leak['check']} {leak['value']:.2f}, at most {leak['limit']:g}"
            console.print(escape(text), style="red", highlight=False)


def show_comparison(console: Console, comparison: Mapping[str, Any]) -> None:
    """Print two evaluations side by side; differences whose interval holds 0 are none."""
    if not comparison["same_users"]:
        console.print("not the same users or targets: the intervals are not of paired differences", style="yellow")
    table = RichTable(title="B against A", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("system", "metric", "targets", "A", "B", "B - A", "95 % interval", ""):
        table.add_column(title, justify="left" if title in ("system", "metric", "targets", "") else "right")
    styles = {"better": "green", "worse": "red", "no difference": "dim"}
    for row in comparison["rows"]:
        cells = [row["system"], row["metric"], row["targets"], number(row["a"]), number(row["b"])]
        cells += [f"{row['difference']:+.4f}", f"{row['low']:+.4f} to {row['high']:+.4f}"]
        table.add_row(*map(escape, cells), f"{MARKS[row['verdict']]} {row['verdict']}", style=styles[row["verdict"]])
    console.print(f"A: {comparison['a']}\nB: {comparison['b']}", highlight=False)
    console.print(table)


def _rich(table: Table) -> RichTable:
    made = RichTable(title=table.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    made.add_column(table.name_of_rows, no_wrap=True)
    for group, head in table.heads:
        made.add_column(f"{group}\n{head}" if group else head, justify="right", no_wrap=True)
    for name, kind, cells in table.rows:
        made.add_row(escape(name), *(_marked(cell) for cell in cells), style=STYLES.get(kind, ""))
    return made


def _marked(cell: Cell) -> str:
    return f"[bold underline]{escape(cell.text)}[/]" if cell.is_best else escape(cell.text)


def as_markdown(report: Report) -> str:
    """Return the whole report as Markdown."""
    parts = ["# Evaluation", headline_of(report) + ".", f"`{report['protocol']['command']}`"]
    parts += ["\n".join(f"- {_plain(line)}" for line in verdicts_of(report))]
    for table in tables_of(report):
        parts += [f"## {_plain(table.title)}", markdown_table(table)]
        if table.note:
            parts.append(_plain(table.note))
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_table(table: Table) -> str:
    """Return one table as Markdown, intervals in brackets, the best of a column bold."""
    heads = [table.name_of_rows, *(f"{group} {head}".strip() for group, head in table.heads)]
    lines = [heads, ["---", *("---:" for _ in table.heads)]]
    for name, kind, cells in table.rows:
        bold = f"**{_plain(name)}**" if kind == "ours" else _plain(name)
        lines.append([bold, *(_markdown_cell(cell) for cell in cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _markdown_cell(cell: Cell) -> str:
    text = f"**{_plain(cell.text)}**" if cell.is_best else _plain(cell.text)
    return f"{text} ({_plain(cell.note)})" if cell.note else text


def _plain(text: str) -> str:
    """Text that is no markup: one line, no HTML, no cell border."""
    flat = printable(text)
    for mark in "\\`*_[]|#":
        flat = flat.replace(mark, f"\\{mark}") if mark in "\\`[]|" else flat
    return flat.replace("<", "&lt;").replace(">", "&gt;")
