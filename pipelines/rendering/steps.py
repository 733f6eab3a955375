"""Steps of a long command on standard error: one line that changes on a terminal, a line for each step elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pipelines.rendering.console import PlainConsole, error_console


@contextmanager
def shown_steps(console: PlainConsole | None = None) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the next step of a command."""
    console, started = console or error_console(), time.monotonic()
    if console.is_terminal:
        with console.status("") as status:
            yield lambda step: status.update(step)
        return

    def say(step: str) -> None:
        # that nobody can read it is no reason to end the command
        with suppress(OSError):
            console.print(f"{time.monotonic() - started:7.1f} s  {step}", highlight=False, soft_wrap=True)

    yield say
