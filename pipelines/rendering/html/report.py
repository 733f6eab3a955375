"""The report of a command: as one HTML page that needs no network, and as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.rendering.html.links import LINKS
from pipelines.rendering.html.page import html_page
from pipelines.rendering.html.parts import (
    anchors_of,
    html_charts,
    html_contents,
    html_key_figures,
    html_list,
    html_text,
    html_verdicts,
)
from pipelines.rendering.html.tables import html_folded_section, html_section
from pipelines.rendering.markdown import escape_markdown, markdown_table
from pipelines.rendering.pictures import Chart
from pipelines.rendering.plain_text import printable
from pipelines.rendering.table_cells import KeyFigure, Table


@dataclass(frozen=True)
class Report:
    """Numbers, sentences and tables of a report, in the order in which they are read.

    title: of the HTML page. verdicts: (mark, sentence), see html_verdicts(). homeshelf: version. num_on_top: tables
    above the charts; the others are folded. command: empty if another one made what is reported.
    """

    title: str
    heading: str
    headline: str
    figures: Sequence[KeyFigure]
    verdicts: Sequence[tuple[str, str]]
    tables: Sequence[Table]
    command: str
    homeshelf: str
    num_on_top: int


def render_html(report: Report, charts: Sequence[Chart] = (), warnings: Sequence[str] = ()) -> str:
    """Return the whole report as one HTML page, for write_page()."""
    top, below = report.tables[: report.num_on_top], report.tables[report.num_on_top :]
    folded = [(table, [chart for chart in charts if chart.table == table.title]) for table in below]
    seen = [chart for chart in charts if not any(chart in beside for _, beside in folded)]
    ordered: list[Table | Chart] = [*top, *seen]
    for table, beside in folded:
        ordered += [table, *beside]
    anchors = anchors_of(one.title for one in ordered)
    anchor_of = {id(one): anchor for one, anchor in zip(ordered, anchors, strict=True)}

    def drawn(some: Sequence[Chart]) -> str:
        return html_charts([(anchor_of[id(chart)], chart) for chart in some])

    contents = [(one.title, f"#{anchor_of[id(one)]}") for one in ordered]
    parts = [
        LINKS,
        html_key_figures(report.figures),
        html_list("warning", warnings),
        html_verdicts(report.verdicts),
        html_contents(contents if len(contents) > 1 else ()),
        *(html_section(anchor_of[id(table)], table) for table in top),
        drawn(seen),
        *(html_folded_section(anchor_of[id(table)], table, drawn(beside)) for table, beside in folded),
    ]
    command = f"<pre>{html_text(report.command)}</pre>" if report.command else ""
    footer = f"<p>homeshelf {html_text(report.homeshelf)}</p>{command}"
    return html_page(report.title, report.heading, f"{report.headline}.", parts, footer)


def render_markdown(report: Report) -> str:
    """Return the whole report as Markdown."""
    parts = [f"# {escape_markdown(report.heading)}", f"{report.headline}.", f"`{printable(report.command)}`"]
    parts.append("\n".join(map(_markdown_figure, report.figures)))
    parts.append("\n".join(f"- {escape_markdown(sentence)}" for _, sentence in report.verdicts))
    for table in report.tables:
        parts += [f"## {escape_markdown(table.title)}", markdown_table(table), escape_markdown(table.note)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_figure(figure: KeyFigure) -> str:
    note = f" ({escape_markdown(figure.note)})" if figure.note else ""
    mark = f", {figure.mark}" if figure.mark in ("better", "worse") else ""
    return f"- {escape_markdown(figure.label)}: **{escape_markdown(figure.value)}**{note}{mark}"
