"""Tables of reports as Markdown; no text in them is markup."""

from pipelines.rendering.plain_text import printable
from pipelines.rendering.table_cells import Cell, Table


def markdown_table(table: Table) -> str:
    """Return one table as Markdown, intervals in brackets, the best of a column bold."""
    heads = [table.name_of_rows, *(f"{group} {head}".strip() for group, head in table.heads)]
    lines = [heads, ["---", *("---:" for _ in table.heads)]]
    for name, kind, cells in table.rows:
        text = escape_markdown(name)
        lines.append([f"**{text}**" if kind == "ours" else text, *map(_markdown_cell, cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escape_markdown(text: str) -> str:
    """Return one line without markup: no HTML, no border of a cell."""
    flat = printable(text)
    for mark in "\\`[]|":
        flat = flat.replace(mark, f"\\{mark}")
    return flat.replace("<", "&lt;").replace(">", "&gt;")


def _markdown_cell(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    marked = f"**{text}**" if cell.is_best else text
    return f"{marked} ({escape_markdown(cell.note)})" if cell.note else marked
