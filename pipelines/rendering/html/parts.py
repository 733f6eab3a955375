"""Parts of an HTML page; every text is escaped."""

import re
from collections.abc import Iterable, Sequence
from html import escape

from pipelines.rendering.pictures import Chart
from pipelines.rendering.plain_text import printable
from pipelines.rendering.table_cells import KeyFigure

_MAX_TEXT_LENGTH = 2_000


def html_text(text: str) -> str:
    """Return text as HTML: escaped, without control characters, truncated to 2,000 characters."""
    shown = text if len(text) <= _MAX_TEXT_LENGTH else f"{text[:_MAX_TEXT_LENGTH]}…"
    return escape(printable(shown))


def html_list(kind: str, lines: Sequence[str]) -> str:
    """Return a list of sentences; empty if there are none."""
    items = "".join(f"<li>{html_text(line)}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>' if items else ""


def html_verdicts(lines: Sequence[tuple[str, str]]) -> str:
    """Return a list of (mark, sentence), with the mark better, worse or none; empty if there are none."""
    items = "".join(f'<li class="{mark}">{html_text(line)}</li>' for mark, line in lines)
    return f'<ul class="verdicts">{items}</ul>' if items else ""


def html_key_figures(figures: Sequence[KeyFigure]) -> str:
    """Return the numbers that a page is opened for; empty if there are none."""
    items = "".join(
        f'<div class="{one.mark}"><dt>{html_text(one.label)}</dt>'
        f"<dd><b>{html_text(one.value)}</b><small>{html_text(one.note)}</small></dd></div>"
        for one in figures
    )
    return f'<dl class="key">{items}</dl>' if items else ""


def html_contents(links: Iterable[tuple[str, str]]) -> str:
    """Return the contents of a page, each (text, address); empty if there are none."""
    items = "".join(f'<li><a href="{html_text(address)}">{html_text(text)}</a></li>' for text, address in links)
    return f'<nav class="contents" aria-label="Contents"><ul>{items}</ul></nav>' if items else ""


def html_charts(charts: Sequence[tuple[str, Chart]]) -> str:
    """Return charts with their anchors; empty if there are none."""
    figures = "".join(_html_figure(anchor, chart) for anchor, chart in charts)
    return f'<div class="charts">{figures}</div>' if figures else ""


def _html_figure(anchor: str, chart: Chart) -> str:
    """Return a chart; ids within an SVG must be unique on the page."""
    title, sentence = html_text(chart.title), html_text(chart.sentence)
    svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{anchor}-", chart.svg)
    return (
        f'<figure id="{anchor}"><h2>{title}</h2><div class="chart" role="group" tabindex="0"'
        f' aria-label="{title}: arrow keys say its values">{svg}</div><figcaption>{sentence}</figcaption></figure>'
    )


def anchors_of(titles: Iterable[str]) -> list[str]:
    """Return an id for each title: its letters and digits, and a number where they are taken."""
    taken = {"theme", "tip"}
    found = []
    for title in titles:
        plain = "-".join(re.findall("[a-z0-9]+", title.lower()))[:40] or "part"
        names = (plain, *(f"{plain}-{number}" for number in range(2, len(taken) + 3)))
        found.append(next(name for name in names if name not in taken))
        taken.add(found[-1])
    return found
