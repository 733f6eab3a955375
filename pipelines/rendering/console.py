"""Tables on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable

_CONSOLE_WIDTH = 120


def wide_console() -> Console:
    """A console; where there is no terminal, one that is wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=_CONSOLE_WIDTH)


def table_of_numbers(title: str, heads: Sequence[str]) -> RichTable:
    """A table without rows: names to the left, numbers to the right."""
    table = RichTable(title=title, title_justify="left", box=None, header_style="dim")
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    return table
