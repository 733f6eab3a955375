"""The terminal: the one door for text and tables of all commands."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text

from pipelines.rendering.plain_text import printable_lines

_CONSOLE_WIDTH = 120
# Characters of one text at most.
_MAX_TEXT_LENGTH = 20_000


class PlainConsole(Console):
    """A console that shows text as it is: markup, emoji codes and control characters in it have no effect.

    In a notebook it writes to the streams of the process, too: rich would make a result of the cell of each line.
    """

    def __init__(self, **arguments: Any) -> None:
        """Take the arguments of rich's Console."""
        super().__init__(**{"markup": False, "emoji": False, "force_jupyter": False, **arguments})

    def render_str(self, text: str, **arguments: Any) -> Text:
        """Render the printable characters, before any width is computed."""
        return super().render_str(printable_lines(text[:_MAX_TEXT_LENGTH]), **arguments)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield segments whose text is printable; controls are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable_lines(segment.text))


def error_console() -> PlainConsole:
    """A console on standard error, for what people read while standard output may go to a program."""
    return PlainConsole(stderr=True)


def wide_console() -> PlainConsole:
    """A console; where there is no terminal, one that is wide enough for the tables."""
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=_CONSOLE_WIDTH)


def table_of_numbers(title: str, heads: Iterable[str]) -> RichTable:
    """A table without rows: names to the left, numbers to the right."""
    table = RichTable(title=title, title_justify="left", box=None, header_style="dim")
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    return table
