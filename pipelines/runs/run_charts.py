"""The charts of a run's page."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import altair as alt

from pipelines.rendering.pictures import Chart, pictures_of
from pipelines.rendering.report_scatter import HEIGHT, WIDTH, Drawn, Rows, chart_of
from pipelines.runs.report_data import Story
from transforms.pages.shelves import SHELVES
from transforms.publishing.publish_run import faulty
from transforms.tables.histograms import HISTOGRAM_BINS_PER_UNIT, HISTOGRAM_ZOOM
from transforms.tables.stage_counters import RUN_NAMESPACE

ROW = 24  # height of a row of bars
MOST_STAGES = 14
SHIFT = 0.25  # of the stability index: above it is usually called a shift
# thousands as k; less as it is, not in thousandths
SHORT = "format(datum.value, datum.value < 1000 ? '~g' : '~s')"
BAR, SOFT, MARK, SHIFTED = "#0072B2", "#999999", "#E69F00", "#D55E00"
THIS, BEFORE = "this run", "the run before"


def charts_of(story: Story) -> list[Chart]:
    """Draw all charts for which the run has figures."""
    drawn = ((title, sentence, draw(story)) for title, sentence, draw in CHARTS)
    return [Chart(title, sentence, pictures_of(chart)) for title, sentence, chart in drawn if chart is not None]


def funnel(story: Story) -> Drawn | None:
    """From events to cards."""
    events, tables, figures = story.manifest["events"], story.manifest["tables"], story.manifest["figures"]
    steps = {"events read": events["read"], "events kept": events["kept"]}
    if "pages" in tables:
        steps["candidates scored"] = tables["candidates"]["rows"]
        steps["cards on pages"] = sum(figures["tracks_on"].values())
        steps["tracks shown"] = figures["tracks_shown"]
    return _labelled([{"name": name, "value": n, "label": f"{n:,}"} for name, n in steps.items()], "rows")


def _labelled(rows: Rows, title: str, colour: str = BAR) -> Drawn:
    """Bars with what they are worth beside them."""
    most = max((row["value"] for row in rows), default=0) or 1
    base = chart_of(rows).encode(y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=190)))
    x = alt.X("value:Q", title=title, scale=alt.Scale(domain=[0, most * 1.25]), axis=alt.Axis(tickCount=5, format="~s"))
    bars = base.mark_bar(color=colour).encode(x=x)
    texts = base.mark_text(align="left", dx=4, fontSize=10).encode(x=x, text="label:N")
    return (bars + texts).properties(width=WIDTH - 60, height=max(60, ROW * len(rows)))


def rejects(story: Story) -> Drawn | None:
    """Events that do not count, by reason."""
    events = story.manifest["events"]
    rows = [
        {"name": reason.replace("_", " "), "value": n, "label": f"{n:,}: {n / events['read']:.2%}"}
        for reason, n in sorted(events["rejected"].items(), key=lambda one: -one[1])
    ]
    return _labelled(rows, "events", SOFT) if rows else None


def training(story: Story) -> Drawn | None:
    """Loss by pass over the examples."""
    epochs = (story.manifest["training"] or {}).get("epochs", [])
    rows = [{"epoch": one["epoch"] + 1, "loss": one["loss"]} for one in epochs if "loss" in one]
    if not rows:
        return None
    base = chart_of(rows).encode(
        x=alt.X("epoch:O", title="pass over the examples", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("loss:Q", title="training loss", scale=alt.Scale(zero=False)),
    )
    return base.mark_line(point=True, color=BAR).properties(width=WIDTH, height=HEIGHT)


def drift(story: Story) -> Drawn | None:
    """The stability index of every feature, against the run before and against training."""
    gate = story.manifest["gate"]
    kinds = {"training to scoring": gate["training_drift"], "since the run before": gate["drift"]}
    kinds = {kind: found for kind, found in kinds.items() if found}
    rows = [
        {"feature": name, "kind": kind, "index": index}
        for kind, found in kinds.items()
        for name, index in found.items()
    ]
    if not rows:
        return None
    worst = {row["feature"]: max(found.get(row["feature"], 0.0) for found in kinds.values()) for row in rows}
    order = sorted(worst, key=lambda name: (-worst[name], name))
    scale = alt.Scale(type="symlog", constant=0.05, domainMin=0)
    axis = alt.Axis(values=[0, 0.05, 0.1, SHIFT, 0.5, 1, 2, 5, 10], labelExpr=SHORT)
    dots = (
        chart_of(rows)
        .mark_point(size=45, filled=True, opacity=0.9)
        .encode(
            y=alt.Y("feature:N", title=None, sort=order, axis=alt.Axis(labelLimit=190, grid=True)),
            x=alt.X("index:Q", title="population stability index", scale=scale, axis=axis),
            color=alt.Color("kind:N", sort=list(kinds), scale=alt.Scale(domain=list(kinds), range=[MARK, BAR])),
            shape=alt.Shape("kind:N", sort=list(kinds), scale=alt.Scale(domain=list(kinds))),
        )
    )
    line = (
        chart_of([{"index": SHIFT}])
        .mark_rule(strokeDash=[4, 4], strokeWidth=1.5, color=SHIFTED)
        .encode(x=alt.X("index:Q", scale=scale))
    )
    return (line + dots).properties(width=WIDTH - 60, height=max(HEIGHT, 17 * len(order)))


def shelves(story: Story) -> Drawn | None:
    """How often each shelf is there, and how full it is; the run before as a mark."""
    now, before = (list(_fills(figures, story)) for figures in (story.manifest["figures"], story.before))
    if not now:
        return None
    order = [row["shelf"] for row in sorted(now, key=lambda row: -row["per_page"])]

    def panel(column: str, title: str, with_names: bool) -> Drawn:
        y = alt.Y("shelf:N", title=None, sort=order, axis=alt.Axis(labels=with_names, ticks=False, labelLimit=190))
        x = alt.X(f"{column}:Q", title=title, axis=alt.Axis(format=".0%", tickCount=4))
        bars = chart_of(now).mark_bar(color=BAR).encode(y=y, x=x)
        ticks = chart_of(before).mark_tick(color=MARK, thickness=3, size=ROW * 0.7).encode(y=y, x=x)
        layers = bars + ticks if before else bars
        return layers.properties(width=(WIDTH - 60) / 2, height=ROW * len(order))

    return alt.hconcat(panel("per_page", "shelves per page", True), panel("fill", "places filled", False))


def _fills(figures: Mapping[str, Any], story: Story) -> Iterator[dict[str, Any]]:
    sizes = {shelf.id: shelf.max_tracks or story.manifest["policy"]["shelf_size"] for shelf in SHELVES}
    for shelf, n in figures.get("shelves", {}).items():
        if shelf in sizes:
            filled = figures["tracks_on"][shelf] / (n * sizes[shelf])
            yield {"shelf": shelf.replace("_", " "), "per_page": n / figures["pages"], "fill": filled}


def scores(story: Story) -> Drawn | None:
    """How the ranker's scores are distributed."""
    figures = {THIS: story.manifest["figures"], BEFORE: story.before}
    rows = [row for name, of_run in figures.items() for row in _shares(of_run.get("histograms", {}), name)]
    if not rows:
        return None
    names = list(dict.fromkeys(row["run"] for row in rows))
    colour = alt.Color("run:N", scale=alt.Scale(domain=names, range=[BAR, MARK]))
    return (
        chart_of(rows)
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("score:Q", title="score", scale=alt.Scale(type="symlog", constant=0.01)),
            y=alt.Y("share:Q", title="share of the candidates", axis=alt.Axis(format="~%")),
            color=colour,
        )
        .properties(width=WIDTH, height=HEIGHT)
    )


def _shares(histograms: Mapping[str, Mapping[str, int]], run: str) -> Iterator[dict[str, Any]]:
    bins = {int(place): n for place, n in histograms.get("score", {}).items()}
    total = sum(bins.values())
    # one more, where the last step ends
    for place in range(min(bins), max(bins) + 2) if total else ():
        score = math.sinh(place / HISTOGRAM_BINS_PER_UNIT) / HISTOGRAM_ZOOM
        yield {"run": run, "score": score, "share": bins.get(place, 0) / total}


def stages(story: Story) -> Drawn | None:
    """Where the time went."""
    rows = [
        {"name": line["stage"].replace("_", " "), "value": line["seconds"], "label": _taken(line)}
        for line in story.stages
        if line["stage"] != RUN_NAMESPACE
    ]
    return _labelled(rows[:MOST_STAGES], "seconds") if rows else None


def _taken(line: Mapping[str, Any]) -> str:
    return f"{line['seconds']:,.1f} s, {line['peak_bytes'] / 1e9:.1f} GB"


def history(story: Story) -> Drawn | None:
    """The figures of the runs before."""
    rows = [
        {"as of": manifest["as_of"][:16], "figure": figure, "value": value}
        for manifest in story.history
        for figure, value in _trend(manifest).items()
    ]
    if len(story.history) < 2:
        return None
    line = (
        chart_of(rows)
        .mark_line(point=True, color=BAR)
        .encode(
            x=alt.X("as of:T", title=None, axis=alt.Axis(tickCount=4, format="%d %b")),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=3, labelExpr=SHORT)),
        )
        .properties(width=WIDTH / 2 - 40, height=70)
    )
    figure = alt.Facet("figure:N", title=None, sort=list(_trend(story.manifest)))
    return line.facet(facet=figure, columns=2).resolve_scale(y="independent")


def _trend(manifest: Mapping[str, Any]) -> dict[str, float]:
    events, figures = manifest["events"], manifest["figures"]
    bad = sum(faulty(events).values())
    trend = {
        "events kept": events["kept"],
        "rejected, %": 100 * bad / max(1, events["kept"] + bad),
        "pages": figures["pages"],
        "shelves per page": sum(figures["shelves"].values()) / max(1, figures["pages"]),
        "tracks shown": figures["tracks_shown"],
    }
    return trend if figures["auc"] is None else {**trend, "AUC on held-out examples": figures["auc"]}


CHARTS: tuple[tuple[str, str, Callable[[Story], Drawn | None]], ...] = (
    ("Funnel", "From events to what stands on pages; the same track is on many pages.", funnel),
    (
        "Rejects",
        "Events that do not count, by the first reason that holds; share of the events read.",
        rejects,
    ),
    ("Shelves", "How often each shelf is on a page and how full it is; marks: the run before.", shelves),
    (
        "Drift",
        "How far the distribution of each feature moved; right of the dashed line is usually called a shift. Days since"
        " something drift by themselves while a log is young.",
        drift,
    ),
    ("Training", "Loss of the ranker by pass over the examples.", training),
    ("Scores", "Distribution of the ranker's scores of a sample of users.", scores),
    ("Stages", "Seconds within the longest stages, and the most memory of the process meanwhile.", stages),
    ("Runs", "This run and those before it.", history),
)
