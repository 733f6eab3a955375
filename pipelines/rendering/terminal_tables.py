"""Print tables of reports on a terminal."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text

from pipelines.rendering.console import PlainConsole
from pipelines.rendering.table_cells import Cell, Table

_KIND_STYLES = {"ours": "bold cyan", "baseline": "", "source": "dim", "given": "magenta"}


def print_tables(console: PlainConsole, tables: Iterable[Table], has_cell_notes: bool = False) -> None:
    """Print tables without the notes below them; has_cell_notes: with those of the cells, such as intervals."""
    for table in tables:
        made = RichTable(title=table.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        made.add_column(table.name_of_rows, no_wrap=True)
        for group, head in table.heads:
            made.add_column(f"{group}\n{head}" if group else head, justify="right", no_wrap=True)
        for name, kind, cells in table.rows:
            shown = (_cell(cell, has_cell_notes) for cell in cells)
            made.add_row(name, *shown, style=_KIND_STYLES.get(kind, ""))
        console.print(made)


def _cell(cell: Cell, has_note: bool) -> Text:
    text = f"{cell.text} ({cell.note})" if has_note and cell.note else cell.text
    return Text(text, "bold underline" if cell.is_best else "")
