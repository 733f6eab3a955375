"""Parts of an HTML page that needs no network; every text is escaped."""

import re
from collections.abc import Sequence
from html import escape
from itertools import groupby
from operator import itemgetter

from pipelines.rendering.page_style import SCRIPT, STYLE
from pipelines.rendering.pictures import Chart
from pipelines.rendering.plain_text import printable
from pipelines.rendering.table_cells import Cell, Table

_MAX_TEXT_LENGTH = 2_000


def html_page(title: str, heading: str, about: str, parts: Sequence[str], footer: str) -> str:
    """Return a whole page around its parts; `footer` is HTML."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html_text(title)}</title>",
            f"<style>{STYLE}</style></head><body>",
            f"<header><h1>{html_text(heading)}</h1>"
            '<button id="theme" type="button" aria-label="switch light and dark">◐</button>',
            f"<p>{html_text(about)}</p></header><main>",
            *parts,
            f"</main><footer>{footer}</footer>",
            f"<script>{SCRIPT}</script></body></html>",
        ]
    )


def html_charts(found: Sequence[Chart], layout: str = "charts") -> str:
    """Return all charts, in rows (layout "charts") or, for different heights, in columns (layout "flowing")."""
    figures = "".join(_html_figure(number, chart) for number, chart in enumerate(found))
    return f'<section class="{layout}">{figures}</section>' if found else ""


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


def html_section(table: Table, is_folded: bool) -> str:
    """Return a table under its title."""
    title, note = html_text(table.title), f"<p class='note'>{html_text(table.note)}</p>" if table.note else ""
    body = f"<div class='scroll' tabindex='0' role='region' aria-label='{title}'>{_table(table)}</div>{note}"
    if is_folded:
        return f"<section><details><summary><h2>{title}</h2></summary>{body}</details></section>"
    return f"<section><h2>{title}</h2>{body}</section>"


def _table(table: Table) -> str:
    is_text = any(len(cell.text) > 40 for _, _, cells in table.rows for cell in cells)
    rows = "".join(
        f"<tr class='{html_text(kind) if kind in ('ours', 'baseline', 'source', 'given') else ''}'>"
        f"<th scope='row'>{html_text(name)}</th>{''.join(map(_cell, cells))}</tr>"
        for name, kind, cells in table.rows
    )
    kind = "prose" if is_text else "figures"
    return f"<table class='{kind}'><thead>{_heads(table)}</thead><tbody>{rows}</tbody></table>"


def _heads(table: Table) -> str:
    """Return one row of heads, or two if columns have groups."""
    corner = f"<th scope='col'>{html_text(table.name_of_rows)}</th>"
    heads = "".join(f"<th scope='col'>{html_text(head)}</th>" for _, head in table.heads)
    if not any(group for group, _ in table.heads):
        return f"<tr>{corner}{heads}</tr>"
    groups = [(group, len(list(of_group))) for group, of_group in groupby(table.heads, key=itemgetter(0))]
    over = "".join(f"<th colspan='{size}' scope='colgroup'>{html_text(group)}</th>" for group, size in groups)
    return f"<tr><td></td>{over}</tr><tr>{corner}{heads}</tr>"


def _cell(cell: Cell) -> str:
    kind = "best" if cell.is_best else "bad" if cell.is_bad else ""
    note = f"<small>{html_text(cell.note)}</small>" if cell.note else ""
    return f"<td class='{kind}'>{html_text(cell.text)}{note}</td>"


def _html_figure(number: int, chart: Chart) -> str:
    """Return a chart in both themes; ids within an SVG must be unique on the page."""
    title, sentence = html_text(chart.title), html_text(chart.sentence)
    pictures = "".join(
        f"<div class='{theme}'>{_own_names(svg, f'{theme}{number}')}</div>" for theme, svg in chart.svg.items()
    )
    return (
        f"<figure role='group' aria-label='{title}: {sentence}'><h2>{title}</h2>"
        f"{pictures}<figcaption>{sentence}</figcaption></figure>"
    )


def _own_names(svg: str, prefix: str) -> str:
    named = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    return named.replace("<svg ", '<svg aria-hidden="true" ', 1)
