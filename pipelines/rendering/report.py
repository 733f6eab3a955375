"""The report of a command: as one HTML page that needs no network, and as Markdown."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipelines.rendering.html_parts import html_charts, html_list, html_page, html_section, html_text, html_verdicts
from pipelines.rendering.markdown import escape_markdown, markdown_table
from pipelines.rendering.pictures import Chart
from pipelines.rendering.plain_text import printable
from pipelines.rendering.table_cells import Table


@dataclass(frozen=True)
class Report:
    """Sentences and tables of a report, in the order in which they are read.

    title: of the HTML page. verdicts: (mark, sentence), see html_verdicts(). homeshelf: version. num_on_top: tables
    above the charts. folded: titles of the tables that are folded.
    """

    title: str
    heading: str
    headline: str
    verdicts: Sequence[tuple[str, str]]
    tables: Sequence[Table]
    command: str
    homeshelf: str
    num_on_top: int
    folded: Collection[str] = ()


def render_html(report: Report, charts: Sequence[Chart] = (), warnings: Sequence[str] = ()) -> str:
    """Return the whole report as one HTML page."""
    sections = [html_section(table, table.title in report.folded) for table in report.tables]
    parts = [
        html_verdicts(report.verdicts),
        html_list("warning", warnings),
        *sections[: report.num_on_top],
        html_charts(charts),
        *sections[report.num_on_top :],
    ]
    footer = f"<p>homeshelf {html_text(report.homeshelf)}</p><pre>{html_text(report.command)}</pre>"
    return html_page(report.title, report.heading, f"{report.headline}.", parts, footer)


def render_markdown(report: Report) -> str:
    """Return the whole report as Markdown."""
    parts = [f"# {escape_markdown(report.heading)}", f"{report.headline}.", f"`{printable(report.command)}`"]
    parts.append("\n".join(f"- {escape_markdown(sentence)}" for _, sentence in report.verdicts))
    for table in report.tables:
        parts += [f"## {escape_markdown(table.title)}", markdown_table(table), escape_markdown(table.note)]
    return "\n\n".join(part for part in parts if part) + "\n"
