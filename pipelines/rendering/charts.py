"""Start and size of all charts."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from pipelines.rendering.plain_text import printable

CHART_WIDTH, CHART_HEIGHT = 430, 250
_MAX_NAME_LENGTH = 200
# Values of one mark, by field.
ChartRow = dict[str, Any]
ChartRows = Sequence[Mapping[str, Any]]
# altair.Chart, or several joined, which have no base class that mypy knows.
AltairChart = Any


def new_chart(rows: ChartRows, tip: str = "") -> alt.Chart:
    """Start a chart of these rows; names are printable and at most 200 characters long.

    tip: what a mark says under a pointer, as a format of its row: "{system}: {value:.3f}".
    """
    # a control character, which no SVG can hold, would abort the process
    values = [
        {key: printable(value, _MAX_NAME_LENGTH) if isinstance(value, str) else value for key, value in row.items()}
        for row in rows
    ]
    if not tip:
        return alt.Chart(alt.InlineData(values=values))
    told = [{**value, "tip": tip.format(**value)} for value in values]
    return alt.Chart(alt.InlineData(values=told)).encode(description="tip:N")
