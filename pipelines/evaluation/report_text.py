"""Print the report on a terminal, and write it as Markdown."""

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text

from pipelines.evaluation.report_data import EvaluationReport
from pipelines.evaluation.report_tables import accuracy_table, oracle_tables, ranker_table, tables_of
from pipelines.evaluation.report_values import ReportValues, headline_of, verdicts_of
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.plain_text import printable
from pipelines.rendering.table_cells import Cell, Table

_KIND_STYLES = {"ours": "bold cyan", "baseline": "", "source": "dim", "given": "magenta"}


def print_report(console: PlainConsole, report: EvaluationReport) -> None:
    """Print the main tables, the verdicts on ours, and suspected leaks."""
    values = ReportValues(report)
    console.print(Text.assemble("\n", ("Evaluation", "bold"), f": {headline_of(report)}\n"))
    for table in (accuracy_table(report, values), *oracle_tables(report), ranker_table(values)):
        console.print(_rich_table(table))
    for verdict in verdicts_of(report):
        console.print(f"- {verdict.sentence}", highlight=False)
    for leak in report.leaks:
        if leak.is_suspect:
            text = f"suspect: {leak.system}: {leak.check} {leak.value:.2f}, at most {leak.limit:g}"
            console.print(text, style="red", highlight=False)


def _rich_table(table: Table) -> RichTable:
    made = RichTable(title=table.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    made.add_column(table.name_of_rows, no_wrap=True)
    for group, head in table.heads:
        made.add_column(f"{group}\n{head}" if group else head, justify="right", no_wrap=True)
    for name, kind, cells in table.rows:
        made.add_row(name, *map(_rich_cell, cells), style=_KIND_STYLES.get(kind, ""))
    return made


def _rich_cell(cell: Cell) -> Text:
    return Text(cell.text, "bold underline" if cell.is_best else "")


def report_to_markdown(report: EvaluationReport) -> str:
    """Return the whole report as Markdown."""
    parts = ["# Evaluation", headline_of(report) + ".", f"`{report.protocol.command}`"]
    parts += ["\n".join(f"- {_escape_markdown(verdict.sentence)}" for verdict in verdicts_of(report))]
    for table in tables_of(report):
        parts += [f"## {_escape_markdown(table.title)}", markdown_table(table), _escape_markdown(table.note)]
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_table(table: Table) -> str:
    """Return one table as Markdown, intervals in brackets, the best of a column bold."""
    heads = [table.name_of_rows, *(f"{group} {head}".strip() for group, head in table.heads)]
    lines = [heads, ["---", *("---:" for _ in table.heads)]]
    for name, kind, cells in table.rows:
        text = _escape_markdown(name)
        lines.append([f"**{text}**" if kind == "ours" else text, *map(_markdown_cell, cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _markdown_cell(cell: Cell) -> str:
    text = _escape_markdown(cell.text)
    marked = f"**{text}**" if cell.is_best else text
    return f"{marked} ({_escape_markdown(cell.note)})" if cell.note else marked


def _escape_markdown(text: str) -> str:
    """Return one line without markup: no HTML, no border of a cell."""
    flat = printable(text)
    for mark in "\\`[]|":
        flat = flat.replace(mark, f"\\{mark}")
    return flat.replace("<", "&lt;").replace(">", "&gt;")
