from pipelines.rendering.charts import CHART_HEIGHT, CHART_WIDTH
from pipelines.rendering.scatter import LABEL_SIZE, axis_domain, overlapping, place_labels


def test_labels_lie_neither_on_labels_nor_on_points() -> None:
    rows = [{"system": f"system {n}", "kind": "ours", "x": 0.3 + n % 3 / 9, "y": 0.1 + n // 3 / 100} for n in range(8)]
    rows.append({"system": "far", "kind": "baseline", "x": 0.9, "y": 0.5})
    (x_low, x_high), (y_low, y_high) = (axis_domain([row[key] for row in rows]) for key in ("x", "y"))

    def pixels(x: float, y: float) -> tuple[float, float]:
        return (x - x_low) / (x_high - x_low) * CHART_WIDTH, (y_high - y) / (y_high - y_low) * CHART_HEIGHT

    labels, points = [], []
    for row in place_labels(rows):
        left, middle = pixels(row["label_x"], row["label_y"])
        labels.append(
            (left, middle - LABEL_SIZE / 2, left + 0.6 * LABEL_SIZE * len(row["system"]), middle + LABEL_SIZE / 2)
        )
        points.append((*pixels(row["x"], row["y"]), *pixels(row["x"], row["y"])))
        assert abs(left - points[-1][0]) < 100 and abs(middle - points[-1][1]) < 60
    for place, one in enumerate(labels):
        assert 0 <= one[0] and one[2] <= CHART_WIDTH and 0 <= one[1] and one[3] <= CHART_HEIGHT
        assert not any(overlapping(one, other) for other in [*labels[:place], *points])
