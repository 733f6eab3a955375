"""Progress of a run: a live table of the stages on a terminal, a line per stage elsewhere."""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipelines.rendering.console import PlainConsole

# Heading, training and time stand around the stages.
_OTHER_LINES = 4
_LINE = re.compile(r"(\w+) bucket=-?\d+ rows=(\d+) ms=(\d+)")


class _Progress(logging.Handler):
    """Sums of the progress lines that stages log (see StageCounters)."""

    def __init__(self, console: PlainConsole) -> None:
        super().__init__(logging.INFO)
        self.console, self.started = console, time.monotonic()
        self.stages: dict[str, list[int]] = {}
        self.training: list[str] = []
        self.is_unread = False

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        match = _LINE.fullmatch(message)
        if match is None:
            self.training.append(message)
            self._say(message)
            return
        stage, rows, milliseconds = match[1], int(match[2]), int(match[3])
        if stage not in self.stages:
            self._say(stage.replace("_", " "))
        total = self.stages.setdefault(stage, [0, 0, 0])
        self.stages[stage] = [total[0] + 1, total[1] + rows, total[2] + milliseconds]

    def _say(self, text: str) -> None:
        if self.console.is_terminal or self.is_unread:
            return
        try:
            self.console.print(f"{time.monotonic() - self.started:7.1f} s  {text}", highlight=False)
        except OSError:
            # a full disk or a closed pipe behind standard output is no reason to end the stage that reports
            self.is_unread = True

    def __rich__(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("stage", "tables", "rows", "seconds"):
            table.add_column(title, justify="left" if title == "stage" else "right")
        # what a terminal is too low for was there earlier
        shown = list(self.stages.items())[-max(self.console.height - _OTHER_LINES, 1) :]
        for stage, (tables, rows, milliseconds) in shown:
            table.add_row(stage.replace("_", " "), f"{tables:,}", f"{rows:,}", f"{milliseconds / 1000:,.1f}")
        for line in self.training[-1:]:
            table.add_row(Text(line, "dim"), "", "", "")
        table.add_row(Text(f"{time.monotonic() - self.started:,.0f} s", "bold"), "", "", "")
        return table


@contextmanager
def progress_display(console: PlainConsole) -> Iterator[None]:
    """Show progress while the block runs."""
    handler, logger = _Progress(console), logging.getLogger("homeshelf")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        if console.is_terminal:
            with Live(handler, console=console, refresh_per_second=4, transient=True):
                yield
        else:
            yield
    finally:
        logger.removeHandler(handler)
