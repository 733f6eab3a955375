"""Lines on standard output and standard error, whatever these can take."""

import io
import os
import sys
from contextlib import suppress

from pipelines.rendering.plain_text import one_line, printable_lines


def say(text: str) -> None:
    """Print lines that scripts may read: neither wrapped nor styled."""
    print(printable_lines(text))


def say_error(text: str) -> None:
    """Print one line to standard error."""
    with suppress(OSError):
        print(f"homeshelf: {one_line(text)}", file=sys.stderr, flush=True)


def show_any_character() -> None:
    """Let output that knows few characters (ASCII in cron) show codes of the others instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def abandon_output() -> None:
    """Drop what standard output could not take, if it cannot take more: Python would fail on it again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
