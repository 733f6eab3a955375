"""The charts of an evaluation's report."""

from collections.abc import Callable, Sequence

import altair as alt

from pipelines.evaluation.report_data import EvaluationReport, MetricValue
from pipelines.evaluation.report_values import (
    HEADLINE_METRIC,
    ReportValues,
    format_interval,
    headline_systems,
    whole_lists,
)
from pipelines.rendering.charts import CHART_HEIGHT, CHART_WIDTH, AltairChart, ChartRows, new_chart
from pipelines.rendering.losses import LOSSES, draw_losses, loss_rows
from pipelines.rendering.pictures import NUM_COLOURS, Chart, draw_svg
from pipelines.rendering.scatter import draw_points
from transforms.catalog.deep_catalogue import NUM_DECILES
from transforms.evaluation.matched_lists import SHELF_SEGMENT, history_segments
from transforms.evaluation.metrics.catalogue import exposure_decile
from transforms.evaluation.metrics.metric import SHOWN_TARGETS
from transforms.evaluation.metrics.metrics import METRICS
from transforms.evaluation.metrics.system import FIRST_STAGE, PAGE

_SPLIT_TARGETS = ("repeats", "discoveries")


def charts_of(report: EvaluationReport) -> list[Chart]:
    """Draw all charts for which the report has values."""
    values = ReportValues(report)
    drawn = []
    for title, sentence, draw, table in _CHARTS:
        chart = draw(report, values)
        if chart is not None:
            drawn.append(Chart(title, sentence, draw_svg(chart), table))
    return drawn


def _repeats_against_discoveries(report: EvaluationReport, values: ReportValues) -> AltairChart | None:
    """Draw NDCG@10 on discoveries against that on repeats."""
    rows = _pairs(report, values, (HEADLINE_METRIC, "repeats"), (HEADLINE_METRIC, "discoveries"))
    return draw_points(rows, titles=("NDCG@10, repeats", "NDCG@10, discoveries")) if rows else None


def _accuracy_against_coverage(report: EvaluationReport, values: ReportValues) -> AltairChart | None:
    """Draw NDCG@10 against the share of the catalogue on any list."""
    rows = _pairs(report, values, ("coverage@100", "all"), (HEADLINE_METRIC, "all"))
    return draw_points(rows, titles=("catalogue coverage@100", "NDCG@10, all targets")) if rows else None


def _pairs(report: EvaluationReport, values: ReportValues, x: tuple[str, str], y: tuple[str, str]) -> ChartRows:
    rows = []
    for name in whole_lists(report):
        one, other = values.find(name, *x), values.find(name, *y)
        if one and other:
            rows.append({"system": name, "kind": report.systems[name].kind, "x": one.value, "y": other.value})
    return rows


def _recall_by_source(report: EvaluationReport, values: ReportValues) -> AltairChart | None:
    """Draw recall at growing depth for each source and for all of them together."""
    names = [name for name, system in report.systems.items() if name == FIRST_STAGE or system.kind == "source"]
    recalls = [metric for metric in METRICS if metric.family == "recall"]
    rows = [
        {"system": name, "k": metric.depth, "recall": value.value, "targets": targets}
        for name in names
        for targets in _SPLIT_TARGETS
        for metric in recalls
        if (value := values.find(name, metric.name, targets))
    ]
    if not rows:
        return None
    axis = alt.Axis(values=[metric.depth for metric in recalls])
    # colours repeat after eight: a dash tells two systems of one colour apart
    dashes = [[1, 0] if number < NUM_COLOURS else [4, 3] for number in range(len(names))]
    base = new_chart(rows, "{system}: {recall:.3f} of the {targets} among the first {k}").encode(
        x=alt.X("k:Q", scale=alt.Scale(type="log"), title="candidates", axis=axis),
        y=alt.Y("recall:Q", title="recall"),
        color=alt.Color("system:N", scale=alt.Scale(domain=names), legend=alt.Legend(columns=3)),
        strokeDash=alt.StrokeDash("system:N", scale=alt.Scale(domain=names, range=dashes)),
    )
    lines = (base.mark_line() + base.mark_circle(size=30)).properties(width=CHART_WIDTH, height=CHART_HEIGHT * 0.7)
    header = alt.Header(labelAngle=0, labelOrient="top", labelAnchor="start")
    return lines.facet(row=alt.Row("targets:N", title=None, header=header)).resolve_scale(y="independent")


def _marginal_recall(report: EvaluationReport, values: ReportValues) -> AltairChart | None:
    """Draw the targets that only one source finds."""
    rows = [
        {"system": name, "targets": targets, **_interval(value)}
        for name, system in report.systems.items()
        for targets in _SPLIT_TARGETS
        if system.kind == "source" and (value := values.find(name, "marginal_recall", targets))
    ]
    return _bars(rows, "marginal recall") if rows else None


def _shelf_shares(report: EvaluationReport, values: ReportValues) -> AltairChart | None:
    """Draw the share of the coming plays that each shelf holds."""
    shelves = sorted({one.segment for one in report.values if one.segment.startswith(SHELF_SEGMENT)})
    rows = [
        {"system": shelf.removeprefix(SHELF_SEGMENT), "targets": targets, **_interval(value)}
        for shelf in shelves
        for targets in _SPLIT_TARGETS
        if (value := values.find(PAGE, "share_of_plays", targets, shelf))
    ]
    return _bars(rows, "share of the coming plays") if rows else None


def _interval(value: MetricValue) -> dict[str, float | str | None]:
    return {"value": value.value, "low": value.low, "high": value.high, "interval": format_interval(value)}


def _bars(rows: ChartRows, title: str) -> AltairChart:
    """Draw bars with intervals, grouped by kind of targets."""
    targets = list(SHOWN_TARGETS)
    base = new_chart(rows, "{system}, {targets}: {value:.4f} ({interval})").encode(
        y=alt.Y("system:N", title=None, sort=[row["system"] for row in rows]),
        yOffset=alt.YOffset("targets:N", sort=targets),
    )
    bars = base.mark_bar().encode(x=alt.X("value:Q", title=title), color=alt.Color("targets:N", sort=targets))
    lines = base.mark_rule(strokeWidth=1.5, color="#777").encode(x="low:Q", x2="high:Q")
    return (bars + lines).properties(width=CHART_WIDTH - 80, height=max(120, 30 * len({row["system"] for row in rows})))


def _by_history(report: EvaluationReport, values: ReportValues) -> AltairChart | None:
    """Draw NDCG@10 by the number of plays before the cutoff."""
    names = headline_systems(report)
    segments = {segment.removeprefix("history: "): segment for segment in history_segments()}
    rows = [
        {"system": name, "history": plays, **_interval(value)}
        for name in names
        for plays, segment in segments.items()
        if (value := values.find(name, HEADLINE_METRIC, "all", segment))
    ]
    if not rows:
        return None
    axis = alt.Axis(labelAngle=0)
    base = new_chart(rows, "{system}, {history} plays: {value:.4f} ({interval})").encode(
        x=alt.X("history:N", sort=list(segments), title="plays before the cutoff", axis=axis),
        xOffset=alt.XOffset("system:N", sort=names),
    )
    dots = base.mark_circle(size=55, opacity=1).encode(
        y=alt.Y("value:Q", title="NDCG@10"), color=alt.Color("system:N", sort=names)
    )
    lines = base.mark_rule().encode(y="low:Q", y2="high:Q", color=alt.Color("system:N", sort=names))
    return (lines + dots).properties(width=CHART_WIDTH, height=CHART_HEIGHT)


def _calibration(report: EvaluationReport, values: ReportValues) -> AltairChart | None:
    """Draw the share played against the mean score by group of candidates."""
    groups = [group for group in report.calibration if group.segment in SHOWN_TARGETS]
    if not groups:
        return None
    rows = [
        {"segment": one.segment, "rows": one.rows, "mean_score": one.mean_score, "positive_rate": one.positive_rate}
        for one in groups
    ]
    top = max(max(one.mean_score, one.positive_rate) for one in groups) or 1.0
    line = new_chart([{"p": 1e-4}, {"p": top}]).mark_line(strokeDash=[4, 4], color="#999", strokeWidth=1)
    scale = alt.Scale(type="symlog", constant=0.01)
    axis = alt.Axis(values=[0, 0.01, 0.03, 0.1, 0.3, 1.0], format="~g")
    tip = "{segment}: mean score {mean_score:.4f}, {positive_rate:.4f} played, {rows:,} candidates"
    base = new_chart(rows, tip).encode(
        x=alt.X("mean_score:Q", title="mean score", scale=scale, axis=axis),
        y=alt.Y("positive_rate:Q", title="share that was played", scale=scale, axis=axis),
        color=alt.Color("segment:N", sort=list(SHOWN_TARGETS)),
    )
    dots = base.mark_circle(opacity=0.9).encode(size=alt.Size("rows:Q", legend=None, scale=alt.Scale(range=[15, 160])))
    diagonal = line.encode(x="p:Q", y="p:Q")
    return (diagonal + base.mark_line(strokeWidth=1) + dots).properties(width=CHART_WIDTH, height=CHART_HEIGHT)


def _training_loss(report: EvaluationReport, values: ReportValues) -> AltairChart | None:
    """Draw the ranker's losses by epoch, a colour for each cutoff."""
    rows = [{"cutoff": curve.cutoff[:10], **row} for curve in report.training for row in loss_rows(curve.epochs)]
    return draw_losses(rows, alt.Color("cutoff:N")) if rows else None


def _exposure_by_popularity(report: EvaluationReport, values: ReportValues) -> AltairChart | None:
    """Draw the exposure that head and tail of the catalogue get."""
    names = headline_systems(report)
    rows = [
        {"system": name, "decile": decile, "share": value.value}
        for name in names
        for decile in range(NUM_DECILES)
        if (value := values.find(name, exposure_decile(decile)))
    ]
    x = alt.X("decile:O", title="popularity decile (0: the most played tracks)", axis=alt.Axis(labelAngle=0))
    y = alt.Y("share:Q", title="share of the first 100 tracks")
    base = new_chart(rows, "{system}, decile {decile}: {share:.1%}").encode(
        x=x, y=y, color=alt.Color("system:N", sort=names)
    )
    lines = base.mark_line() + base.mark_circle(size=45, opacity=1)
    return lines.properties(width=CHART_WIDTH, height=CHART_HEIGHT) if rows else None


_Draw = Callable[[EvaluationReport, ReportValues], AltairChart | None]
_CHARTS: Sequence[tuple[str, str, _Draw, str]] = (
    (
        "Repeats against discoveries",
        "Up and to the right is better; recommending known tracks is the easier half.",
        _repeats_against_discoveries,
        "",
    ),
    (
        "Accuracy against coverage",
        "A system towards the upper right is accurate and still shows much of the catalogue.",
        _accuracy_against_coverage,
        "",
    ),
    ("Recall by source", "Share of the targets among the first k candidates.", _recall_by_source, ""),
    (
        "What each source adds",
        "Share of the targets that no other source proposed, with intervals.",
        _marginal_recall,
        "Candidates",
    ),
    ("Shelves", "Share of the user's coming plays that each shelf holds, with intervals.", _shelf_shares, "Page"),
    ("By history", "NDCG@10 by the user's plays before the cutoff, with intervals.", _by_history, ""),
    (
        "Calibration of the ranker",
        "On the dashed line scores equal the share that was played; a dot's size is its number of candidates.",
        _calibration,
        "",
    ),
    (
        "Exposure by popularity",
        "Each decile has a tenth of all plays; 9 is the tail.",
        _exposure_by_popularity,
        "Beyond accuracy",
    ),
    ("Training", LOSSES, _training_loss, "Ranker on its candidates"),
)
