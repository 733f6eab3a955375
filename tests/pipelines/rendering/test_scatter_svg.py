"""Each label of a scatter plot, read from the SVG, stands beside its own point, or a line leads to it."""

import re
from math import hypot
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rendering.charts import CHART_HEIGHT, CHART_WIDTH
from pipelines.rendering.pictures import draw_svg
from pipelines.rendering.scatter import LABEL_SIZE, axis_domain, draw_points, place_labels

PLACE = re.compile(r"translate\(([-\d.]+),([-\d.]+)\)")


def marks(svg: str, kind: str) -> list[ElementTree.Element]:
    """Return the marks of a layer, in the order of the rows."""
    root = ElementTree.fromstring(svg)
    groups = [one for one in root.iter() if kind in one.get("class", "").split() and "mark-" in one.get("class", "")]
    return [mark for group in groups for mark in group if "role-mark" in group.get("class", "")]


def place(mark: ElementTree.Element) -> tuple[float, float]:
    found = PLACE.search(mark.get("transform", ""))
    assert found
    return float(found[1]), float(found[2])


def made_up(seed: int, num: int, spread: float) -> list[dict[str, Any]]:
    drawn = np.random.default_rng(seed).uniform(size=(num, 2)) * [spread, 1.0]
    drawn[0] = [1.0, 1.0]
    return [{"system": f"system {n}", "kind": "ours", "x": x, "y": y} for n, (x, y) in enumerate(drawn.tolist())]


def check_labels(rows: list[dict[str, Any]]) -> None:
    svg = draw_svg(draw_points(rows, titles=("x", "y")))
    points = [place(one) for one in marks(svg, "mark-symbol")]
    labels = {one.text: place(one) for one in marks(svg, "mark-text")}
    ends = []
    for one in marks(svg, "mark-rule"):
        start = place(one)
        across, down = float(one.get("x2", "0")), float(one.get("y2", "0"))
        ends.append((start, (start[0] + across, start[1] + down)))
    assert len(points) == len(rows) == len(labels)
    for row, own in zip(rows, points, strict=True):
        left, baseline = labels[str(row["system"])]
        middle = baseline - 0.3 * LABEL_SIZE
        length = 0.6 * LABEL_SIZE * len(str(row["system"]))

        def far(point: tuple[float, float], left: float = left, length: float = length) -> float:
            return hypot(max(left - point[0], 0, point[0] - left - length), point[1] - middle)  # noqa: B023

        is_nearest = all(far(own) <= far(other) + 0.1 for other in points)
        is_led = any(
            hypot(start[0] - own[0], start[1] - own[1]) < 0.1 and far(end) < 2
            for pair in ends
            for start, end in (pair, pair[::-1])
        )
        assert is_nearest or is_led, row["system"]


@given(seed=st.integers(0, 10_000), num=st.integers(2, 16), spread=st.sampled_from([1.0, 0.1, 0.01]))
def test_a_label_without_a_line_is_nearest_to_its_own_point(seed: int, num: int, spread: float) -> None:
    rows = made_up(seed, num, spread)
    (x_low, x_high), (y_low, y_high) = (axis_domain([row[key] for row in rows]) for key in ("x", "y"))
    wide, high = CHART_WIDTH / (x_high - x_low), CHART_HEIGHT / (y_high - y_low)
    points = [(row["x"] * wide, -row["y"] * high) for row in rows]
    for row, own in zip(place_labels(rows), points, strict=True):
        left, middle, length = row["label_x"] * wide, -row["label_y"] * high, 0.6 * LABEL_SIZE * len(row["system"])
        far = [hypot(max(left - x, 0, x - left - length), y - middle) for x, y in points]
        assert row["has_line"] or far[points.index(own)] <= min(far) + 1e-6


@pytest.mark.parametrize("spread", [1.0, 0.02])
def test_every_label_of_the_svg_belongs_to_its_point(spread: float) -> None:
    check_labels(made_up(3, 14, spread))
