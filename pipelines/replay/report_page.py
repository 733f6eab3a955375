"""Write the report of a replay as JSON and as one HTML page that needs no network."""

import altair as alt

from pipelines.rendering.charts import CHART_HEIGHT, CHART_WIDTH, AltairChart, new_chart
from pipelines.rendering.html.links import write_page
from pipelines.rendering.html.report import Report, render_html
from pipelines.rendering.pictures import Chart, draw_svg
from pipelines.replay.report_data import ReplayReport, replay_report_to_json
from pipelines.replay.report_tables import replay_figures, replay_headline, replay_tables, replay_verdicts
from transforms.tables.files import write_atomically

JSON_FILE, HTML_FILE = "replay.json", "replay.html"


def write_replay_report(report: ReplayReport, folder: str) -> None:
    """Write both files to a local or remote folder."""
    write_atomically(f"{folder}/{JSON_FILE}", replay_report_to_json(report).encode())
    write_page(f"{folder}/{HTML_FILE}", replay_report_to_html(report))


def replay_report_to_html(report: ReplayReport) -> str:
    """Return the whole report as one HTML page."""
    about = Report(
        title="Replay",
        heading="Replay",
        headline=replay_headline(report),
        figures=replay_figures(report),
        verdicts=replay_verdicts(report),
        tables=replay_tables(report),
        command=report.command,
        homeshelf=report.homeshelf,
        num_on_top=2,
    )
    return render_html(about, _charts(report))


def _charts(report: ReplayReport) -> list[Chart]:
    """Draw the charts for which the report has values."""
    drawn = []
    if report.estimates:
        sentence = "Mean outcome of a request with 95 % intervals; the dashed line is the log itself."
        drawn.append(Chart("Value by estimator", sentence, draw_svg(_values_chart(report))))
    if report.examined:
        sentence = "Share of the logged requests that count for the target, at each place; weights multiply downwards."
        drawn.append(Chart("Effective requests by place", sentence, draw_svg(_support_chart(report))))
    return drawn


def _values_chart(report: ReplayReport) -> AltairChart:
    found = [*report.estimates, *report.diagnostics]
    rows = [
        {"name": one.name, "value": one.value, "low": one.low, "high": one.high, "kind": kind}
        for kind, part in (("estimators", report.estimates), ("diagnostics", report.diagnostics))
        for one in part
    ]
    base = new_chart(rows, "{name}: {value:.4f} ({low:.4f}–{high:.4f})").encode(
        y=alt.Y("name:N", title=None, sort=[one.name for one in found])
    )
    scale = alt.Scale(zero=False)
    color = alt.Color("kind:N", sort=["estimators", "diagnostics"])
    dots = base.mark_circle(size=70, opacity=1).encode(
        x=alt.X("value:Q", title="mean outcome", scale=scale), color=color
    )
    lines = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", color=color)
    charts = [lines, dots]
    if report.logged:
        log = new_chart([{"value": report.logged.value}]).mark_rule(strokeDash=[4, 4], color="#999")
        charts.insert(0, log.encode(x=alt.X("value:Q", scale=scale)))
    return alt.layer(*charts).properties(width=CHART_WIDTH - 90, height=max(120, 34 * len(found)))


def _support_chart(report: ReplayReport) -> AltairChart:
    rows = [
        {"track": one.place[1], "share": one.effective_share, "shelf": f"shelf {one.place[0]}"}
        for one in report.examined
    ]
    base = new_chart(rows, "{shelf}, position {track}: {share:.1%}").encode(
        x=alt.X("track:O", title="position on the shelf", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("share:Q", title="effective share", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        color=alt.Color("shelf:N", sort=None),
    )
    lines = base.mark_line() + base.mark_circle(size=45, opacity=1)
    return lines.properties(width=CHART_WIDTH, height=CHART_HEIGHT)
