"""Write the report of a loop as JSON, as Markdown, and as one HTML page that needs no network; print it."""

import altair as alt
from rich.text import Text

from pipelines.loop.day_counts import Curve
from pipelines.loop.report_data import LoopReport, loop_report_to_json
from pipelines.loop.report_tables import (
    ALL_CURVES,
    CURVES_TABLE,
    DAYS_TABLE,
    loop_figures,
    loop_headline,
    loop_tables,
    loop_verdicts,
)
from pipelines.rendering.charts import CHART_HEIGHT, CHART_WIDTH, AltairChart, new_chart
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.html.links import write_page
from pipelines.rendering.html.report import Report, render_html, render_markdown
from pipelines.rendering.pictures import Chart, draw_svg
from pipelines.rendering.terminal_tables import print_tables
from transforms.tables.files import write_atomically

_HEADING = "Loop"


def write_loop_report(report: LoopReport, folder: str) -> None:
    """Write loop.json, loop.md and loop.html."""
    write_atomically(f"{folder}/loop.json", loop_report_to_json(report).encode())
    write_atomically(f"{folder}/loop.md", render_markdown(_report_of(report)).encode())
    write_page(f"{folder}/loop.html", loop_report_to_html(report))


def loop_report_to_html(report: LoopReport) -> str:
    """Return the whole report as one HTML page."""
    return render_html(_report_of(report), _draw_curves(report))


def print_loop_report(console: PlainConsole, report: LoopReport, folder: str) -> None:
    """Print headline, tables that fit, verdicts, and where the rest is."""
    console.print(Text.assemble("\n", (_HEADING, "bold"), f": {loop_headline(report)}\n"))
    print_tables(
        console,
        [table for table in loop_tables(report) if table.title not in (DAYS_TABLE, CURVES_TABLE)],
        has_cell_notes=True,
    )
    for mark, sentence in loop_verdicts(report):
        console.print(f"- {sentence}", highlight=False, style="red" if mark == "worse" else "")
    console.print(f"{folder}/loop.html", highlight=False, soft_wrap=True)


def _report_of(report: LoopReport) -> Report:
    return Report(
        title=_HEADING,
        heading=_HEADING,
        headline=loop_headline(report),
        figures=loop_figures(report),
        verdicts=loop_verdicts(report),
        tables=loop_tables(report),
        command=report.command,
        homeshelf=report.homeshelf,
        num_on_top=2,
    )


def _draw_curves(report: LoopReport) -> list[Chart]:
    """Draw each curve that has values on two days or more, a line for each arm."""
    drawn = []
    for curve in ALL_CURVES:
        rows = [
            {"arm": arm, "day": day + 1, "value": value}
            for arm, curves in report.curves.items()
            for day, value in enumerate(curves[curve.name])
            if value is not None
        ]
        if len({row["day"] for row in rows}) > 1:
            title = curve.name.replace("_", " ").capitalize()
            sentence = f"{curve.sentence[0].upper()}{curve.sentence[1:]}."
            drawn.append(Chart(title, sentence, draw_svg(_curve_chart(report, curve, rows))))
    return drawn


def _curve_chart(report: LoopReport, curve: Curve, rows: list[dict[str, object]]) -> AltairChart:
    day = alt.X(
        "day:Q", title="day", scale=alt.Scale(domain=[1, report.days], nice=False), axis=alt.Axis(tickMinStep=1)
    )
    axis = alt.Axis(format=".1%") if curve.is_share else alt.Axis()
    tip = "{arm}, day {day}: {value:.1%}" if curve.is_share else "{arm}, day {day}: {value:.2f}"
    base = new_chart(rows, tip).encode(
        x=day,
        y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False), axis=axis),
        color=alt.Color("arm:N", scale=alt.Scale(domain=list(report.arms))),
    )
    stops = [{"day": stop.day} for stop in report.stops]
    layers = [base.mark_line(strokeWidth=2.5), base.mark_circle(size=30, opacity=1)]
    if stops:
        layers.insert(
            0,
            new_chart(stops, "day {day}: stopped by the gate")
            .mark_rule(strokeDash=[4, 3], color="#D55E00")
            .encode(x="day:Q"),
        )
    return alt.layer(*layers).properties(width=CHART_WIDTH, height=CHART_HEIGHT - 60)
