"""Charts as SVG, each drawn once for light and once for dark pages."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.rendering.charts import AltairChart

# Colours of Okabe and Ito: distinct for colour-blind readers, on light and on dark.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8a8f98", "#B8860B")
NUM_COLOURS = len(_PALETTE)
_THEMES = {"light": ("#1f2328", "#d8dee4"), "dark": ("#d1d7e0", "#3d444d")}


@dataclass(frozen=True)
class Chart:
    """A drawn chart: title, sentence on its content, and the SVG text of each theme."""

    title: str
    sentence: str
    svg: Mapping[str, str]


def draw_themes(chart: AltairChart) -> dict[str, str]:
    """Return the SVG text of a chart for every theme."""
    return {theme: _svg(chart, theme) for theme in _THEMES}


def _svg(chart: AltairChart, theme: str) -> str:
    import vl_convert

    text, line = _THEMES[theme]
    axis = {"labelColor": text, "titleColor": text, "gridColor": line, "domainColor": line, "tickColor": line}
    config = {
        "font": "system-ui, sans-serif",
        "background": "transparent",
        # browsers have wider letters than those that the layout is measured with
        "padding": {"left": 16, "top": 5, "right": 10, "bottom": 5},
        "view": {"stroke": "transparent"},
        "axis": {**axis, "labelFontSize": 11, "titlePadding": 12, "titleFontSize": 11, "titleFontWeight": "normal"},
        "axisY": {"minExtent": 38},
        "legend": {"labelColor": text, "titleColor": text, "labelFontSize": 11, "orient": "bottom", "title": None}
        | {"columnPadding": 28},
        "header": {"labelColor": text, "titleColor": text},
        "text": {"color": text, "fill": text},
        "rule": {"color": line},
        "range": {"category": list(_PALETTE)},
    }
    found: str = vl_convert.vegalite_to_svg({**chart.to_dict(), "config": config})
    return found
