"""The report as files: JSON, Markdown, and one HTML page that needs no network."""

import json
import re
from collections.abc import Sequence
from html import escape
from itertools import groupby
from operator import itemgetter

from pipelines.report_charts import Chart, charts_of
from pipelines.report_style import SCRIPT, STYLE
from pipelines.report_tables import tables_of
from pipelines.report_text import as_markdown
from pipelines.report_values import Cell, Report, Table, headline_of, verdicts_of
from transforms.files import put

# These stand at the top; the others below the charts, folded.
OPEN = 1
FOLDED = ("Systems", "Metrics", "Data", "NDCG@10 by cut", "Leak checks")


def write_report(report: Report, folder: str) -> None:
    """Write report.json, report.md and report.html below a local or remote folder."""
    below = folder.rstrip("/")
    put(f"{below}/report.json", json.dumps(report, indent=1).encode())
    put(f"{below}/report.md", as_markdown(report).encode())
    put(f"{below}/report.html", as_page(report).encode())


def as_page(report: Report) -> str:
    """Return the whole report as one HTML page."""
    tables = tables_of(report)
    first = [_section(table) for table in tables[:OPEN]]
    others = [_section(table) for table in tables[OPEN:]]
    suspects = [leak for leak in report["leaks"] if leak["is_suspect"]]
    warnings = [
        f"{leak['system']}: {leak['check']} is {leak['value']:.2f}, at most {leak['limit']:g} is plausible"
        for leak in suspects
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Evaluation {escape(report['protocol']['cuts'][0][:10])}</title>",
            f"<style>{STYLE}</style></head><body>",
            '<header><h1>Evaluation</h1><button id="theme" type="button" aria-label="switch light and dark">◐</button>',
            f"<p>{_text(headline_of(report))}.</p></header><main>",
            _verdicts(verdicts_of(report)),
            _list("warning", [f"Suspected leak: {line}" for line in warnings]),
            *first,
            '<section class="charts">',
            *(_figure(place, chart) for place, chart in enumerate(charts_of(report))),
            "</section>",
            *others,
            f"<footer><p>homeshelf {escape(report['homeshelf'])}</p>"
            f"<pre>{_text(report['protocol']['command'])}</pre></footer>",
            f"</main><script>{SCRIPT}</script></body></html>",
        ]
    )


def _text(text: str) -> str:
    """Text from anywhere as HTML: escaped, without control characters."""
    return escape("".join(one if one.isprintable() else " " for one in text))


def _verdicts(lines: Sequence[str]) -> str:
    """The sentences, each marked by what it says."""
    marks = {" is better than": "better", " is worse than": "worse"}
    items = []
    for line in lines:
        kind = next((mark for text, mark in marks.items() if text in line), "none")
        items.append(f'<li class="{kind}">{_text(line)}</li>')
    return f'<ul class="verdicts">{"".join(items)}</ul>' if items else ""


def _list(kind: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>' if items else ""


def _section(table: Table) -> str:
    title, note = _text(table.title), f"<p class='note'>{_text(table.note)}</p>" if table.note else ""
    body = f"<div class='scroll' tabindex='0' role='region' aria-label='{title}'>{_table(table)}</div>{note}"
    if table.title in FOLDED:
        return f"<section><details><summary><h2>{title}</h2></summary>{body}</details></section>"
    return f"<section><h2>{title}</h2>{body}</section>"


def _table(table: Table) -> str:
    is_text = any(len(cell.text) > 40 for _, _, cells in table.rows for cell in cells)
    rows = "".join(
        f"<tr class='{_text(kind) if kind in ('ours', 'baseline', 'source', 'given') else ''}'>"
        f"<th scope='row'>{_text(name)}</th>{''.join(map(_cell, cells))}</tr>"
        for name, kind, cells in table.rows
    )
    kind = "prose" if is_text else "figures"
    return f"<table class='{kind}'><thead>{_heads(table)}</thead><tbody>{rows}</tbody></table>"


def _heads(table: Table) -> str:
    """One row of heads, or two where columns have groups."""
    corner = f"<th scope='col'>{_text(table.name_of_rows)}</th>"
    heads = "".join(f"<th scope='col'>{_text(head)}</th>" for _, head in table.heads)
    if not any(group for group, _ in table.heads):
        return f"<tr>{corner}{heads}</tr>"
    groups = [(group, len(list(of_group))) for group, of_group in groupby(table.heads, key=itemgetter(0))]
    over = "".join(f"<th colspan='{size}' scope='colgroup'>{_text(group)}</th>" for group, size in groups)
    return f"<tr><td></td>{over}</tr><tr>{corner}{heads}</tr>"


def _cell(cell: Cell) -> str:
    kind = "best" if cell.is_best else "bad" if cell.is_bad else ""
    note = f"<small>{_text(cell.note)}</small>" if cell.note else ""
    return f"<td class='{kind}'>{_text(cell.text)}{note}</td>"


def _figure(place: int, chart: Chart) -> str:
    """A chart in both themes; names within an SVG must be its own on the page."""
    pictures = "".join(
        f"<div class='{theme}'>{_own_names(svg, f'{theme}{place}')}</div>" for theme, svg in chart.svg.items()
    )
    return (
        f"<figure role='group' aria-label='{_text(chart.title)}: {_text(chart.sentence)}'><h2>{_text(chart.title)}</h2>"
        f"{pictures}<figcaption>{_text(chart.sentence)}</figcaption></figure>"
    )


def _own_names(svg: str, prefix: str) -> str:
    named = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    return named.replace("<svg ", '<svg aria-hidden="true" ', 1)
