"""Charts as SVG, which takes its text colour from the page, light or dark."""

import re
from dataclasses import dataclass

from pipelines.rendering.charts import AltairChart

# Colours of Okabe and Ito: distinct for colour-blind readers, on light and on dark.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8a8f98", "#B8860B")
NUM_COLOURS = len(_PALETTE)
_TEXT, _LINE_OPACITY = "currentColor", 0.14
_CONFIG = {
    "font": "system-ui, sans-serif",
    "background": "transparent",
    # browsers have wider letters than those that the layout is measured with
    "padding": {"left": 16, "top": 5, "right": 10, "bottom": 5},
    "view": {"stroke": "transparent"},
    "axis": {"labelColor": _TEXT, "titleColor": _TEXT, "gridColor": _TEXT, "domainColor": _TEXT, "tickColor": _TEXT}
    | {"gridOpacity": _LINE_OPACITY, "domainOpacity": _LINE_OPACITY, "tickOpacity": _LINE_OPACITY}
    | {"labelFontSize": 11, "titlePadding": 12, "titleFontSize": 11, "titleFontWeight": "normal"},
    # the first and the last label would be moved inwards, into their neighbours
    "axisX": {"labelFlush": False},
    "axisY": {"minExtent": 38},
    "legend": {"labelColor": _TEXT, "titleColor": _TEXT, "labelFontSize": 11, "orient": "bottom", "title": None}
    | {"columnPadding": 28, "layout": {"bottom": {"margin": 28}}},
    "header": {"labelColor": _TEXT, "titleColor": _TEXT},
    # no mark says anything but its tip, see new_chart()
    "mark": {"description": ""},
    "text": {"color": _TEXT, "fill": _TEXT},
    "rule": {"color": "#8a8f98"},
    "range": {"category": list(_PALETTE)},
}
# A line is one mark, of many rows; axes and legends are no marks.
_NO_MARKS = "line|area|axis|legend"
_TOLD = re.compile(rf' aria-label="([^"]+)" role="graphics-symbol" aria-roledescription="(?!{_NO_MARKS})[^"]*"')
_ARIA = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')
_PLACES = re.compile(r' (?:d|transform|x|x2|y|y2|width|height)="[^"]*"')


@dataclass(frozen=True)
class Chart:
    """A drawn chart: title, sentence on its content, and its SVG text.

    table: title of the table that it stands with, if that is folded; empty: it stands with the other charts.
    """

    title: str
    sentence: str
    svg: str
    table: str = ""


def draw_svg(chart: AltairChart) -> str:
    """Return a chart as SVG, in which `data-tip` is what a mark says."""
    import vl_convert

    drawn = vl_convert.vegalite_to_svg({**chart.to_dict(), "config": _CONFIG})
    told = _ARIA.sub("", _TOLD.sub(r' data-tip="\1"', drawn))
    short = _PLACES.sub(lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), told)
    return short.replace("<svg ", '<svg aria-hidden="true" ', 1)
