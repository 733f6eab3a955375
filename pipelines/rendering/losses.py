"""The chart of a training: both losses by pass over the examples, and the pass whose weights were kept."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt

from pipelines.rendering.charts import CHART_HEIGHT, CHART_WIDTH, AltairChart, ChartRow, ChartRows, new_chart

LOSSES = (
    "Loss of the ranker by pass over the examples: of those that it learned from, and of later ones; the ring is the"
    " pass whose weights are used."
)
_LEARNED, _LATER = "training", "later examples"


def loss_rows(epochs: Sequence[Mapping[str, Any]]) -> Iterator[ChartRow]:
    """Yield a row for each pass and loss; passes count from 1."""
    kept = max((number for number, one in enumerate(epochs) if one.get("is_best")), default=-1)
    for number, one in enumerate(epochs):
        for kind, name in ((_LEARNED, "loss"), (_LATER, "validation_loss")):
            if one.get(name) is not None:
                yield {"epoch": number + 1, "of": kind, "loss": one[name], "is_kept": number == kept and kind == _LATER}


def draw_losses(rows: ChartRows, colour: alt.Color) -> AltairChart:
    """Draw the losses of trainings, with a colour for each."""
    base = new_chart(rows, "pass {epoch}, {of}: {loss:.4f}").encode(
        x=alt.X("epoch:O", title="pass over the examples", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("loss:Q", title="loss", scale=alt.Scale(zero=False)),
        color=colour,
    )
    dash = alt.StrokeDash(
        "of:N", sort=[_LEARNED, _LATER], scale=alt.Scale(domain=[_LEARNED, _LATER], range=[[1, 0], [5, 3]])
    )
    lines = base.mark_line().encode(strokeDash=dash)
    dots = base.mark_circle(size=35, opacity=1)
    ring = base.mark_point(size=190, strokeWidth=2).transform_filter("datum.is_kept")
    return (lines + dots + ring).properties(width=CHART_WIDTH, height=CHART_HEIGHT)
