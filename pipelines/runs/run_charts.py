"""The charts of a run's report."""

from collections.abc import Callable, Iterator

import altair as alt

from pipelines.launch.stage_lines import StageLine
from pipelines.rendering.charts import CHART_HEIGHT, CHART_WIDTH, AltairChart, ChartRow, ChartRows, new_chart
from pipelines.rendering.losses import LOSSES, draw_losses, loss_rows
from pipelines.rendering.pictures import Chart, draw_svg
from pipelines.runs.report_data import SHIFT, RunReportData
from transforms.pages.shelves.shelves import SHELVES
from transforms.publishing.manifest import Manifest, RunMetrics
from transforms.tables.histograms import Histograms, bin_start
from transforms.tables.stage_counters import RUN_NAMESPACE

# Height of a row of bars, in pixels.
_ROW_HEIGHT = 24
_MAX_STAGES = 14
# Vega expression for numbers: thousands as k, small ones without an SI prefix.
_SHORT_NUMBER = "format(datum.value, datum.value < 1000 ? '~g' : '~s')"
_BAR, _SOFT, _MARK, _SHIFTED = "#0072B2", "#999999", "#E69F00", "#D55E00"
_THIS_RUN, _RUN_BEFORE = "this run", "the run before"


def draw_run_charts(data: RunReportData) -> list[Chart]:
    """Draw all charts for which the run has data."""
    drawn = ((title, sentence, draw(data)) for title, sentence, draw in _CHARTS)
    return [Chart(title, sentence, draw_svg(chart)) for title, sentence, chart in drawn if chart is not None]


def _draw_funnel(data: RunReportData) -> AltairChart | None:
    """Draw the numbers from events to cards."""
    events, tables, metrics = data.manifest.events, data.manifest.tables, data.manifest.metrics
    steps = {"events read": events.read, "events kept": events.kept}
    if "pages" in tables:
        steps["candidates scored"] = tables["candidates"].rows
        steps["cards on pages"] = sum(metrics.tracks_by_shelf.values())
        steps["tracks on pages"] = metrics.tracks_on_pages
    return _labelled([{"name": name, "value": n, "label": f"{n:,}"} for name, n in steps.items()], "rows")


def _labelled(rows: ChartRows, title: str, colour: str = _BAR, least: float = 0.0) -> AltairChart:
    """Draw bars with their values beside them, on an axis that reaches at least to `least`."""
    most = max([least, *(row["value"] for row in rows)]) or 1
    base = new_chart(rows, "{name}: {label}").encode(
        y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=190))
    )
    x = alt.X("value:Q", title=title, scale=alt.Scale(domain=[0, most * 1.25]), axis=alt.Axis(tickCount=5, format="~s"))
    bars = base.mark_bar(color=colour).encode(x=x)
    texts = base.mark_text(align="left", dx=4, fontSize=10).encode(x=x, text="label:N")
    return (bars + texts).properties(width=CHART_WIDTH - 60, height=max(60, _ROW_HEIGHT * len(rows)))


def _draw_rejects(data: RunReportData) -> AltairChart | None:
    """Draw the rejected events by reason."""
    events = data.manifest.events
    rows = [
        {"name": reason.replace("_", " "), "value": n, "label": f"{n:,}: {n / events.read:.2%}"}
        for reason, n in sorted(events.rejected.items(), key=lambda one: -one[1])
    ]
    # a hundredth of the events fills the chart, or what is more: three rejects of millions are a short bar
    return _labelled(rows, "events", _SOFT, least=events.read / 100) if rows else None


def _draw_training(data: RunReportData) -> AltairChart | None:
    """Draw the losses by epoch."""
    epochs = (data.manifest.training or {}).get("epochs", [])
    rows = [{**row, "run": _THIS_RUN} for row in loss_rows(epochs)]
    return draw_losses(rows, alt.Color("run:N", legend=None, scale=alt.Scale(range=[_BAR]))) if rows else None


def _draw_drift(data: RunReportData) -> AltairChart | None:
    """Draw the stability index of every feature, against the run before and against training."""
    gate = data.manifest.gate
    kinds = {"training to scoring": gate.training_drift, "since the run before": gate.drift}
    kinds = {kind: found for kind, found in kinds.items() if found}
    rows = [
        {"feature": name, "kind": kind, "index": index}
        for kind, found in kinds.items()
        for name, index in found.items()
    ]
    if not rows:
        return None
    names = {name for found in kinds.values() for name in found}
    worst = {name: max(found.get(name, 0.0) for found in kinds.values()) for name in names}
    order = sorted(worst, key=lambda name: (-worst[name], name))
    scale = alt.Scale(type="symlog", constant=0.05, domainMin=0)
    axis = alt.Axis(values=[0, 0.05, 0.1, SHIFT, 0.5, 1, 2, 5, 10], labelExpr=_SHORT_NUMBER)
    dots = (
        new_chart(rows, "{feature}, {kind}: {index:.3g}")
        .mark_point(size=45, filled=True, opacity=0.9)
        .encode(
            y=alt.Y("feature:N", title=None, sort=order, axis=alt.Axis(labelLimit=190, grid=True)),
            x=alt.X("index:Q", title="population stability index", scale=scale, axis=axis),
            color=alt.Color("kind:N", sort=list(kinds), scale=alt.Scale(domain=list(kinds), range=[_MARK, _BAR])),
            shape=alt.Shape("kind:N", sort=list(kinds), scale=alt.Scale(domain=list(kinds))),
        )
    )
    line = (
        new_chart([{"index": SHIFT}])
        .mark_rule(strokeDash=[4, 4], strokeWidth=1.5, color=_SHIFTED)
        .encode(x=alt.X("index:Q", scale=scale))
    )
    return (line + dots).properties(width=CHART_WIDTH - 60, height=max(CHART_HEIGHT, 17 * len(order)))


def _draw_shelves(data: RunReportData) -> AltairChart | None:
    """Draw how often each shelf is on a page, and how full it is; the run before as a mark."""
    now, before = list(_fills(data.manifest.metrics, data)), list(_fills(data.before, data) if data.before else ())
    if not now:
        return None
    order = [row["shelf"] for row in sorted(now, key=lambda row: -row["per_page"])]

    def panel(column: str, title: str, with_names: bool) -> AltairChart:
        y = alt.Y("shelf:N", title=None, sort=order, axis=alt.Axis(labels=with_names, ticks=False, labelLimit=190))
        x = alt.X(f"{column}:Q", title=title, axis=alt.Axis(format=".0%", tickCount=4))
        tip = f"{{shelf}}: {{{column}:.0%}}"
        bars = new_chart(now, tip).mark_bar(color=_BAR).encode(y=y, x=x)
        ticks = (
            new_chart(before, f"{tip} in {_RUN_BEFORE}")
            .mark_tick(color=_MARK, thickness=3, size=_ROW_HEIGHT * 0.7)
            .encode(y=y, x=x)
        )
        layers = bars + ticks if before else bars
        return layers.properties(width=(CHART_WIDTH - 60) / 2, height=_ROW_HEIGHT * len(order))

    return alt.hconcat(panel("per_page", "shelves per page", True), panel("fill", "positions filled", False))


def _fills(metrics: RunMetrics, data: RunReportData) -> Iterator[ChartRow]:
    """Yield a row for each shelf that stands on a page; of a run whose policy is not known, none."""
    policy = data.manifest.policy
    sizes = {shelf.id: shelf.max_tracks or policy.shelf_size for shelf in SHELVES} if policy else {}
    for shelf, n in metrics.shelves.items():
        if n and metrics.pages and sizes.get(shelf):
            filled = metrics.tracks_by_shelf.get(shelf, 0) / (n * sizes[shelf])
            yield {"shelf": shelf.replace("_", " "), "per_page": n / metrics.pages, "fill": filled}


def _draw_scores(data: RunReportData) -> AltairChart | None:
    """Draw the distribution of the ranker's scores."""
    runs = {_THIS_RUN: data.manifest.metrics, _RUN_BEFORE: data.before}
    rows = [row for name, metrics in runs.items() if metrics for row in _shares(metrics.histograms, name)]
    if not rows:
        return None
    names = list(dict.fromkeys(row["run"] for row in rows))
    colour = alt.Color("run:N", scale=alt.Scale(domain=names, range=[_BAR, _MARK]))
    base = new_chart(rows, "{run}: {share:.2%} of the candidates from {score:.3g}").encode(
        x=alt.X(
            "score:Q",
            title="score",
            scale=alt.Scale(type="symlog", constant=0.01),
            axis=alt.Axis(values=[0, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2], format="~g"),
        ),
        y=alt.Y("share:Q", title="share of the candidates", axis=alt.Axis(format="~%")),
        color=colour,
    )
    # dots that are not seen, for the pointer
    lines = base.mark_line(interpolate="step-after") + base.mark_circle(size=60, opacity=0)
    return lines.properties(width=CHART_WIDTH, height=CHART_HEIGHT)


def _shares(histograms: Histograms, run: str) -> Iterator[ChartRow]:
    bins = {int(number): n for number, n in histograms.get("score", {}).items()}
    total = sum(bins.values())
    # one more bin, at which the last step ends
    for number in range(min(bins), max(bins) + 2) if total else ():
        score = bin_start(number)
        yield {"run": run, "score": score, "share": bins.get(number, 0) / total}


def _draw_stages(data: RunReportData) -> AltairChart | None:
    """Draw the seconds of the longest stages."""
    rows: list[ChartRow] = [
        {"name": line.stage.replace("_", " "), "value": line.seconds, "label": _seconds_and_memory(line)}
        for line in data.stages
        if line.stage != RUN_NAMESPACE
    ]
    return _labelled(rows[:_MAX_STAGES], "seconds") if rows else None


def _seconds_and_memory(line: StageLine) -> str:
    return f"{line.seconds:,.1f} s, {line.peak_bytes / 1e9:.1f} GB"


def _draw_history(data: RunReportData) -> AltairChart | None:
    """Draw the metrics of this run and of those before it."""
    rows = [
        {"as of": manifest.as_of[:16], "metric": metric, "value": value}
        for manifest in data.history
        for metric, value in _trend(manifest).items()
    ]
    if len(data.history) < 2:
        return None
    base = new_chart(rows, "{as of}: {metric} {value:,.5g}").encode(
        x=alt.X("as of:T", title=None, axis=alt.Axis(tickCount=4, format="%d %b")),
        y=alt.Y(
            "value:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=3, labelExpr=_SHORT_NUMBER)
        ),
    )
    lines = base.mark_line(color=_BAR) + base.mark_circle(color=_BAR, size=45, opacity=1)
    metric = alt.Facet("metric:N", title=None, sort=list(_trend(data.manifest)))
    return (
        lines.properties(width=CHART_WIDTH / 2 - 40, height=70)
        .facet(facet=metric, columns=2)
        .resolve_scale(y="independent")
    )


def _trend(manifest: Manifest) -> dict[str, float]:
    events, metrics = manifest.events, manifest.metrics
    errors = sum(events.errors.values())
    trend = {
        "events kept": events.kept,
        "rejected, %": 100 * errors / max(1, events.kept + errors),
        "pages": metrics.pages,
        "shelves per page": sum(metrics.shelves.values()) / max(1, metrics.pages),
        "tracks on pages": metrics.tracks_on_pages,
    }
    return trend if metrics.auc is None else {**trend, "AUC on held-out examples": metrics.auc}


_CHARTS: tuple[tuple[str, str, Callable[[RunReportData], AltairChart | None]], ...] = (
    ("Funnel", "From events to the cards on pages; the same track is on many pages.", _draw_funnel),
    (
        "Rejects",
        "Rejected events by the first reason that applies, with their share of the events read; the axis holds 1 % of"
        " these, or more.",
        _draw_rejects,
    ),
    ("Shelves", "How often each shelf is on a page and how full it is; marks: the run before.", _draw_shelves),
    (
        "Drift",
        "How far the distribution of each feature moved; right of the dashed line is usually called a shift. Days since"
        " something drift by themselves while a log is young.",
        _draw_drift,
    ),
    ("Training", LOSSES, _draw_training),
    ("Scores", "Distribution of the ranker's scores of a sample of users.", _draw_scores),
    ("Stages", "Seconds within the longest stages, and the most memory of the process meanwhile.", _draw_stages),
    ("Runs", "This run and those before it.", _draw_history),
)
