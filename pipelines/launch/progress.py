"""Progress of a run: a live table of the stages on a terminal, a line per stage elsewhere."""

import logging
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipelines.rendering.console import PlainConsole

# Heading, training and time stand around the stages.
_OTHER_LINES = 4
_LINE = re.compile(r"(\w+) bucket=-?\d+ rows=(\d+) ms=(\d+)")


class _Progress(logging.Handler):
    """Sums of the progress lines that stages log (see StageCounters).

    expected: names of the stages that will report. seconds: how long an earlier run of them took; None: unknown.
    """

    def __init__(self, console: PlainConsole, expected: Collection[str], seconds: float | None) -> None:
        super().__init__(logging.INFO)
        self.console, self.expected, self.seconds = console, frozenset(expected), seconds
        self.started = time.monotonic()
        self.stages: dict[str, list[int]] = {}
        self.training: list[str] = []
        self.is_unread = False

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        match = _LINE.fullmatch(message)
        if match is None:
            self.training.append(message)
            self._say(message, 0)
            return
        stage, rows, milliseconds = match[1], int(match[2]), int(match[3])
        if stage not in self.stages:
            self._say(stage.replace("_", " "), len(self.expected & {*self.stages, stage}))
        total = self.stages.setdefault(stage, [0, 0, 0])
        self.stages[stage] = [total[0] + 1, total[1] + rows, total[2] + milliseconds]

    def _say(self, text: str, number: int) -> None:
        """Print a line where there is no terminal; number: how many of the expected stages have begun."""
        if self.console.is_terminal or self.is_unread:
            return
        count = f"stage {number} of {len(self.expected)}  " if number else ""
        try:
            self.console.print(
                f"{time.monotonic() - self.started:7.1f} s  {count}{text}", highlight=False, soft_wrap=True
            )
        except OSError:
            # a full disk or a closed pipe behind standard output is no reason to end the stage that reports
            self.is_unread = True

    def _status(self) -> str:
        """Return how far the run is, and how long it may still take."""
        spent = time.monotonic() - self.started
        begun = len(self.expected & set(self.stages))
        parts = [f"stage {begun} of {len(self.expected)}"] if self.expected else []
        parts.append(f"{spent:,.0f} s")
        if self.seconds is not None and self.seconds > spent:
            parts.append(f"about {self.seconds - spent:,.0f} s left, if it takes as long as the run before")
        return ", ".join(parts)

    def __rich__(self) -> Table:
        status = Text(self._status(), "bold", no_wrap=True, overflow="ellipsis")
        table = Table(box=None, pad_edge=False, header_style="dim", caption=status, caption_justify="left")
        for title in ("stage", "tables", "rows", "seconds"):
            table.add_column(title, justify="left" if title == "stage" else "right")
        # what a terminal is too low for was there earlier
        shown = list(self.stages.items())[-max(self.console.height - _OTHER_LINES, 1) :]
        for stage, (tables, rows, milliseconds) in shown:
            table.add_row(stage.replace("_", " "), f"{tables:,}", f"{rows:,}", f"{milliseconds / 1000:,.1f}")
        for line in self.training[-1:]:
            table.add_row(Text(line, "dim"), "", "", "")
        return table


@contextmanager
def progress_display(
    console: PlainConsole, stages: Collection[str] = (), seconds: float | None = None
) -> Iterator[None]:
    """Show progress while the block runs.

    stages: those that will report, if it is known. seconds: how long an earlier run of them took, likewise.
    """
    handler, logger = _Progress(console, stages, seconds), logging.getLogger("homeshelf")
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
