"""The charts of an evaluation's report."""

from collections.abc import Callable, Mapping
from typing import Any

import altair as alt

from pipelines.evaluation.report_values import TARGETS_SHOWN, Report, ReportValues, headline_systems, whole_lists
from pipelines.rendering.pictures import Chart, draw_themes
from pipelines.rendering.report_scatter import CHART_HEIGHT, CHART_WIDTH, AltairChart, ChartRows, draw_points, new_chart

_DEPTHS = [10, 20, 50, 100, 200, 500]


def charts_of(report: Report) -> list[Chart]:
    """Draw all charts for which the report has figures."""
    values = ReportValues(report)
    drawn = []
    for title, sentence, draw in CHARTS:
        chart = draw(report, values)
        if chart is not None:
            drawn.append(Chart(title, sentence, draw_themes(chart)))
    return drawn


def repeats_against_discoveries(report: Report, values: ReportValues) -> AltairChart | None:
    """NDCG@10 on both kinds of targets."""
    rows = _pairs(report, values, ("ndcg@10", "repeats"), ("ndcg@10", "discoveries"))
    return draw_points(rows, titles=("NDCG@10, repeats", "NDCG@10, discoveries")) if rows else None


def accuracy_against_coverage(report: Report, values: ReportValues) -> AltairChart | None:
    """NDCG@10 against the share of the catalogue that is shown to anyone."""
    rows = _pairs(report, values, ("coverage@100", "all"), ("ndcg@10", "all"))
    return draw_points(rows, titles=("catalogue coverage@100", "NDCG@10, all targets")) if rows else None


def _pairs(report: Report, values: ReportValues, x: tuple[str, str], y: tuple[str, str]) -> ChartRows:
    rows = []
    for system in whole_lists(report):
        one, other = values.row(system, *x), values.row(system, *y)
        if one and other:
            kind = report["systems"][system]["kind"]
            rows.append({"system": system, "kind": kind, "x": one["value"], "y": other["value"]})
    return rows


def recall_by_source(report: Report, values: ReportValues) -> AltairChart | None:
    """Recall at growing depth, of each source and of all."""
    kinds = {name: entry["kind"] for name, entry in report["systems"].items()}
    names = [name for name in kinds if name == "candidates" or kinds[name] == "source"]
    rows = [
        {"system": name, "k": k, "recall": row["value"], "targets": kind}
        for name in names
        for kind in ("repeats", "discoveries")
        for k in _DEPTHS
        if (row := values.row(name, f"recall@{k}", kind))
    ]
    if not rows:
        return None
    base = new_chart(rows).encode(
        x=alt.X(
            "k:Q", scale=alt.Scale(type="log"), title="candidates", axis=alt.Axis(values=[10, 20, 50, 100, 200, 500])
        ),
        y=alt.Y("recall:Q", title="recall"),
        color=alt.Color("system:N", sort=names),
    )
    lines = (base.mark_line() + base.mark_circle(size=30)).properties(width=CHART_WIDTH / 2 - 25, height=CHART_HEIGHT)
    return lines.facet(column=alt.Column("targets:N", title=None)).resolve_scale(y="independent")


def marginal_recall(report: Report, values: ReportValues) -> AltairChart | None:
    """What would be lost without each source."""
    rows = [
        {"system": name, "targets": kind, "value": row["value"], "low": row["low"], "high": row["high"]}
        for name, entry in report["systems"].items()
        for kind in ("repeats", "discoveries")
        if entry["kind"] == "source" and (row := values.row(name, "marginal_recall", kind))
    ]
    return _bars(rows, "marginal recall") if rows else None


def _bars(rows: ChartRows, title: str) -> AltairChart:
    """Grouped bars by kind of targets, with intervals."""
    base = new_chart(rows).encode(
        y=alt.Y("system:N", title=None, sort=[row["system"] for row in rows]),
        yOffset=alt.YOffset("targets:N", sort=list(TARGETS_SHOWN)),
    )
    bars = base.mark_bar().encode(
        x=alt.X("value:Q", title=title), color=alt.Color("targets:N", sort=list(TARGETS_SHOWN))
    )
    lines = base.mark_rule(strokeWidth=1.5, color="#777").encode(x="low:Q", x2="high:Q")
    return (bars + lines).properties(
        width=CHART_WIDTH - 80, height=max(120, 22 * len({row["system"] for row in rows}) * 2)
    )


def shelf_shares(report: Report, values: ReportValues) -> AltairChart | None:
    """Which part of the coming plays each shelf holds."""
    names = sorted({row["segment"] for row in report["values"] if row["segment"].startswith("shelf: ")})
    rows = [
        {"system": name.removeprefix("shelf: "), "targets": kind, **_span(row)}
        for name in names
        for kind in ("repeats", "discoveries")
        if (row := values.row("page", "share_of_plays", kind, name))
    ]
    return _bars(rows, "share of the coming plays") if rows else None


def _span(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("value", "low", "high")}


def by_history(report: Report, values: ReportValues) -> AltairChart | None:
    """NDCG@10 by how much was known of the user."""
    order = ["0", "1-4", "5-19", "20-99", "100+"]
    rows = [
        {"system": name, "history": plays, **_span(row)}
        for name in headline_systems(report)
        for plays in order
        if (row := values.row(name, "ndcg@10", "all", f"history: {plays}"))
    ]
    if not rows:
        return None
    names = headline_systems(report)
    base = new_chart(rows).encode(
        x=alt.X("history:N", sort=order, title="plays before the cutoff", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("system:N", sort=names),
    )
    dots = base.mark_circle(size=55, opacity=1).encode(
        y=alt.Y("value:Q", title="NDCG@10"), color=alt.Color("system:N", sort=names)
    )
    lines = base.mark_rule().encode(y="low:Q", y2="high:Q", color=alt.Color("system:N", sort=names))
    return (lines + dots).properties(width=CHART_WIDTH, height=CHART_HEIGHT)


def ranker_calibration(report: Report, values: ReportValues) -> AltairChart | None:
    """Share played against mean score, by group of candidates."""
    rows = [row for row in report["calibration"] if row["segment"] in ("all", "repeats", "discoveries")]
    if not rows:
        return None
    top = max(max(row["mean_score"], row["positive_rate"]) for row in rows) or 1.0
    line = new_chart([{"p": 1e-4}, {"p": top}]).mark_line(strokeDash=[4, 4], color="#999", strokeWidth=1)
    scale = alt.Scale(type="symlog", constant=0.01)
    axis = alt.Axis(values=[0, 0.01, 0.03, 0.1, 0.3, 1.0], format="~g")
    base = new_chart(rows).encode(
        x=alt.X("mean_score:Q", title="mean score", scale=scale, axis=axis),
        y=alt.Y("positive_rate:Q", title="share that was played", scale=scale, axis=axis),
        color=alt.Color("segment:N", sort=list(TARGETS_SHOWN)),
    )
    dots = base.mark_circle(opacity=0.9).encode(size=alt.Size("rows:Q", legend=None, scale=alt.Scale(range=[15, 160])))
    diagonal = line.encode(x="p:Q", y="p:Q")
    return (diagonal + base.mark_line(strokeWidth=1) + dots).properties(width=CHART_WIDTH, height=CHART_HEIGHT)


def training_loss(report: Report, values: ReportValues) -> AltairChart | None:
    """Loss by epoch at every cutoff."""
    rows = [
        {"cutoff": part["cutoff"][:10], "epoch": epoch.get("epoch", place + 1), "loss": epoch["loss"]}
        for part in report["training"]
        for place, epoch in enumerate(part["epochs"])
        if "loss" in epoch
    ]
    if not rows:
        return None
    return (
        new_chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("epoch:O", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("loss:Q", title="training loss", scale=alt.Scale(zero=False)),
            color="cutoff:N",
        )
        .properties(width=CHART_WIDTH, height=CHART_HEIGHT)
    )


def exposure_by_popularity(report: Report, values: ReportValues) -> AltairChart | None:
    """Who shows the head of the catalogue and who the tail."""
    names = headline_systems(report)
    rows = [
        {"system": name, "decile": decile, "share": row["value"]}
        for name in names
        for decile in range(10)
        if (row := values.row(name, f"exposure_decile_{decile}"))
    ]
    if not rows:
        return None
    return (
        new_chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("decile:O", title="popularity decile (0: the most played tracks)", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("share:Q", title="share of the first 100 places"),
            color=alt.Color("system:N", sort=names),
        )
        .properties(width=CHART_WIDTH, height=CHART_HEIGHT)
    )


Draw = Callable[[Report, ReportValues], AltairChart | None]
CHARTS: tuple[tuple[str, str, Draw], ...] = (
    (
        "Repeats against discoveries",
        "Up and to the right is better; recommending what one knows is the easier half.",
        repeats_against_discoveries,
    ),
    (
        "Accuracy against coverage",
        "A system towards the upper right is accurate and still shows much of the catalogue.",
        accuracy_against_coverage,
    ),
    ("Recall by source", "How many of the targets are among the first k candidates.", recall_by_source),
    ("What each source adds", "Share of the targets that no other source proposed, with intervals.", marginal_recall),
    ("Shelves", "Share of the user's coming plays that each shelf holds, with intervals.", shelf_shares),
    ("By history", "NDCG@10 by how much was known of the user, with intervals.", by_history),
    (
        "Calibration of the ranker",
        "On the dashed line what is called probable comes true that often; a dot's size is its number of candidates.",
        ranker_calibration,
    ),
    ("Exposure by popularity", "Each decile has a tenth of all plays; 9 is the tail.", exposure_by_popularity),
    ("Training", "Loss of the ranker by pass over the examples.", training_loss),
)
