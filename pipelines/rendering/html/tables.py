"""Tables as HTML; every text is escaped."""

from itertools import groupby
from operator import itemgetter

from pipelines.rendering.html.parts import html_text
from pipelines.rendering.table_cells import Cell, Table

_KINDS = ("ours", "baseline", "source", "given")


def html_section(anchor: str, table: Table) -> str:
    """Return a table under its title."""
    return f'<section id="{anchor}"><h2>{html_text(table.title)}</h2>{_body(table)}</section>'


def html_folded_section(anchor: str, table: Table, charts: str) -> str:
    """Return a table behind its title, which opens it; above it charts, as HTML."""
    head = f"<summary><h2>{html_text(table.title)}</h2></summary>"
    return f'<section id="{anchor}" class="folded"><details>{head}{charts}{_body(table)}</details></section>'


def _body(table: Table) -> str:
    title, note = html_text(table.title), f'<p class="note">{html_text(table.note)}</p>' if table.note else ""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">{_table(table)}</div>{note}'


def _table(table: Table) -> str:
    is_text = any(len(cell.text) > 40 for _, _, cells in table.rows for cell in cells)
    rows = "".join(
        f'<tr{_class_of(kind if kind in _KINDS else "")}><th scope="row">{html_text(name)}</th>'
        f"{''.join(map(_cell, cells))}</tr>"
        for name, kind, cells in table.rows
    )
    kind = "prose" if is_text else "figures"
    return f'<table class="{kind}"><thead>{_heads(table)}</thead><tbody>{rows}</tbody></table>'


def _heads(table: Table) -> str:
    """Return one row of heads, or two if columns have groups."""
    corner = f'<th scope="col">{html_text(table.name_of_rows)}</th>'
    heads = "".join(f'<th scope="col">{html_text(head)}</th>' for _, head in table.heads)
    if not any(group for group, _ in table.heads):
        return f"<tr>{corner}{heads}</tr>"
    groups = [(group, len(list(of_group))) for group, of_group in groupby(table.heads, key=itemgetter(0))]
    over = "".join(
        f'<th colspan="{size}" scope="colgroup">{html_text(group)}</th>' if group else f'<td colspan="{size}"></td>'
        for group, size in groups
    )
    return f"<tr><td></td>{over}</tr><tr>{corner}{heads}</tr>"


def _cell(cell: Cell) -> str:
    kind = "best" if cell.is_best else "bad" if cell.is_bad else ""
    note = f"<small>{html_text(cell.note)}</small>" if cell.note else ""
    return f"<td{_class_of(kind)}>{html_text(cell.text)}{note}</td>"


def _class_of(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
