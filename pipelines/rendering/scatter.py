"""A scatter plot of systems with labels that do not overlap."""

from collections.abc import Sequence
from functools import partial

import altair as alt

from pipelines.rendering.charts import CHART_HEIGHT, CHART_WIDTH, AltairChart, ChartRow, ChartRows, new_chart

# Font size of the labels, in pixels.
LABEL_SIZE = 10
# Offsets of a label above or below its point, in pixels, the nearest first.
_LABEL_SHIFTS = [0] + [step * sign for step in range(6, 60, 6) for sign in (-1, 1)]
KIND_COLOURS = {"ours": "#0072B2", "baseline": "#999999", "given": "#CC79A7", "source": "#56B4E9"}


def draw_points(rows: ChartRows, *, titles: tuple[str, str]) -> AltairChart:
    """Draw systems as labelled points, coloured by kind."""
    placed = place_labels(rows)
    scales = [alt.Scale(domain=list(axis_domain([row[key] for row in rows])), nice=False) for key in ("x", "y")]
    base = new_chart(placed).encode(
        x=alt.X("x:Q", title=titles[0], scale=scales[0]), y=alt.Y("y:Q", title=titles[1], scale=scales[1])
    )
    kinds = [kind for kind in KIND_COLOURS if any(row["kind"] == kind for row in rows)]
    colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[KIND_COLOURS[kind] for kind in kinds]))
    dots = base.mark_circle(size=70, opacity=0.9).encode(color=colour)
    names = base.mark_text(align="left", baseline="middle", fontSize=LABEL_SIZE).encode(
        text="system:N", x=alt.X("label_x:Q", scale=scales[0]), y=alt.Y("label_y:Q", scale=scales[1])
    )
    return alt.layer(dots, names).properties(width=CHART_WIDTH, height=CHART_HEIGHT)


def axis_domain(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of an axis: from 0 or, if half of it would be empty, from a little below the minimum."""
    low, high = min(values), max(values)
    room = (high - low or high or 1.0) * 0.15
    return (0.0 if low < high / 2 else low - room, high + room)


def place_labels(rows: ChartRows) -> list[ChartRow]:
    """Add label_x and label_y to each row: beside its point, and if possible over no other label and no point."""
    (x_low, x_high), (y_low, y_high) = (axis_domain([row[key] for row in rows]) for key in ("x", "y"))
    wide, high = CHART_WIDTH / (x_high - x_low), CHART_HEIGHT / (y_high - y_low)
    points = [((row["x"] - x_low) * wide, (y_high - row["y"]) * high) for row in rows]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    labelled = []
    for row, (x, y) in zip(rows, points, strict=True):
        length = 0.6 * LABEL_SIZE * len(row["system"])
        corners = [(x + side, y + down) for down in _LABEL_SHIFTS for side in (8, -8 - length)]
        boxes = [(left, top - LABEL_SIZE / 2, left + length, top + LABEL_SIZE / 2) for left, top in corners]
        fitting = [box for box in boxes if not any(map(partial(overlapping, box), taken)) and _is_inside(box)]
        box = (fitting or boxes)[0]
        taken.append(box)
        label = {"label_x": x_low + box[0] / wide, "label_y": y_high - (box[1] + LABEL_SIZE / 2) / high}
        labelled.append({**row, **label})
    return labelled


_Box = tuple[float, float, float, float]


def overlapping(one: _Box, other: _Box) -> bool:
    """Return whether two boxes (left, top, right, bottom) have a point in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _is_inside(box: _Box) -> bool:
    return box[0] > 0 and box[2] < CHART_WIDTH and box[1] > 0 and box[3] < CHART_HEIGHT
