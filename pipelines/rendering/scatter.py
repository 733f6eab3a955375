"""A scatter plot of systems with labels that do not overlap."""

from collections.abc import Sequence
from functools import partial
from math import hypot

import altair as alt

from pipelines.rendering.charts import CHART_HEIGHT, CHART_WIDTH, AltairChart, ChartRow, ChartRows, new_chart

# Font size of the labels, in pixels.
LABEL_SIZE = 10
# Width of a letter; fonts of browsers are wider than the one that the layout is measured with.
_LETTER = 0.6 * LABEL_SIZE
# Offsets of a label above or below its point, in pixels, the nearest first.
_LABEL_SHIFTS = [0] + [step * sign for step in range(6, 60, 6) for sign in (-1, 1)]
KIND_COLOURS = {"ours": "#0072B2", "baseline": "#999999", "given": "#CC79A7", "source": "#56B4E9"}


def draw_points(rows: ChartRows, *, titles: tuple[str, str]) -> AltairChart:
    """Draw systems as labelled points, coloured by kind."""
    placed = place_labels(rows)
    scales = [alt.Scale(domain=list(axis_domain([row[key] for row in rows])), nice=False) for key in ("x", "y")]
    tip = f"{{system}}\n{titles[0]} {{x:.4f}}\n{titles[1]} {{y:.4f}}"
    base = new_chart(placed, tip).encode(
        x=alt.X("x:Q", title=titles[0], scale=scales[0], axis=alt.Axis(tickCount=6)),
        y=alt.Y("y:Q", title=titles[1], scale=scales[1]),
    )
    kinds = [kind for kind in KIND_COLOURS if any(row["kind"] == kind for row in rows)]
    colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[KIND_COLOURS[kind] for kind in kinds]))
    dots = base.mark_circle(size=70, opacity=0.9).encode(color=colour)
    names = base.mark_text(align="left", baseline="middle", fontSize=LABEL_SIZE).encode(
        text="system:N", x=alt.X("label_x:Q", scale=scales[0]), y=alt.Y("label_y:Q", scale=scales[1])
    )
    led = new_chart([row for row in placed if row["has_line"]]).mark_rule(strokeWidth=0.8, color="#888")
    lines = led.encode(x=alt.X("x:Q", scale=scales[0]), y=alt.Y("y:Q", scale=scales[1]), x2="line_x:Q", y2="label_y:Q")
    return alt.layer(lines, dots, names).properties(width=CHART_WIDTH, height=CHART_HEIGHT)


def axis_domain(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of an axis: from 0 or, if half of it would be empty, from a little below the minimum."""
    low, high = min(values), max(values)
    room = (high - low or high or 1.0) * 0.15
    return (0.0 if low < high / 2 else low - room, high + room)


def place_labels(rows: ChartRows) -> list[ChartRow]:
    """Add the place of its label to each row: beside its point, over no other label and no point, if there is room.

    has_line: whether a line from the point must lead to the label, because another point is nearer; line_x: where the
    line ends.
    """
    (x_low, x_high), (y_low, y_high) = (axis_domain([row[key] for row in rows]) for key in ("x", "y"))
    wide, high = CHART_WIDTH / (x_high - x_low), CHART_HEIGHT / (y_high - y_low)
    points = [((row["x"] - x_low) * wide, (y_high - row["y"]) * high) for row in rows]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    labelled = []
    for row, own in zip(rows, points, strict=True):
        box, is_beside = _choose_box(own, points, taken, _LETTER * len(row["system"]))
        taken.append(box)
        end = box[0] if box[0] > own[0] else box[2]
        label_y = y_high - (box[1] + LABEL_SIZE / 2) / high
        label = {"label_x": x_low + box[0] / wide, "label_y": label_y, "line_x": x_low + end / wide}
        labelled.append({**row, **label, "has_line": not is_beside})
    return labelled


def _choose_box(
    own: tuple[float, float], points: Sequence[tuple[float, float]], taken: Sequence["_Box"], length: float
) -> tuple["_Box", bool]:
    """Return the box of a label, and whether its own point is the one that is nearest to it."""
    corners = [(own[0] + side, own[1] + down) for down in _LABEL_SHIFTS for side in (8, -8 - length)]
    boxes = [(left, top - LABEL_SIZE / 2, left + length, top + LABEL_SIZE / 2) for left, top in corners]
    fitting = [box for box in boxes if not any(map(partial(overlapping, box), taken)) and _is_inside(box)]
    for box in fitting:
        if all(_distance(box, own) < _distance(box, other) - 2 for other in points if other != own):
            return box, True
    return (fitting or boxes)[0], False


def _distance(box: "_Box", point: tuple[float, float]) -> float:
    """Return how far a point is from a box."""
    across = max(box[0] - point[0], 0.0, point[0] - box[2])
    return hypot(across, max(box[1] - point[1], 0.0, point[1] - box[3]))


_Box = tuple[float, float, float, float]


def overlapping(one: _Box, other: _Box) -> bool:
    """Return whether two boxes (left, top, right, bottom) have a point in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _is_inside(box: _Box) -> bool:
    return box[0] > 0 and box[2] < CHART_WIDTH and box[1] > 0 and box[3] < CHART_HEIGHT
