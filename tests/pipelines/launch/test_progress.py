"""What a run shows while it is at work."""

import io
import logging

import pytest

from pipelines.launch.progress import progress_display
from pipelines.rendering.console import PlainConsole

LINES = ["clean_events bucket=0 rows=1500 ms=200", "clean_events bucket=1 rows=500 ms=100", "epoch 1: loss 0.5"]


def tell() -> None:
    for line in LINES:
        logging.getLogger("homeshelf.stages").info(line)


def test_elsewhere_than_on_a_terminal_each_stage_is_one_plain_line() -> None:
    console = PlainConsole(file=io.StringIO(), width=80)
    with progress_display(console):
        tell()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert [line.split("  ")[-1] for line in text.splitlines()] == ["clean events", "epoch 1: loss 0.5"]
    assert "\x1b" not in text


def test_stages_are_counted_and_the_time_of_an_earlier_run_tells_what_is_left() -> None:
    console = PlainConsole(file=io.StringIO(), width=80)
    with progress_display(console, ["clean_events", "write_pages", "other"]):
        tell()
        logging.getLogger("homeshelf.stages").info("unforeseen bucket=0 rows=1 ms=1")
        logging.getLogger("homeshelf.stages").info("write_pages bucket=0 rows=1 ms=1")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    said = [line.split("s  ", 1)[1] for line in text.splitlines()]
    assert said[0] == "stage 1 of 3  clean events" and said[-1] == "stage 2 of 3  write pages"
    assert said[-2] == "stage 1 of 3  unforeseen"
    console = PlainConsole(file=io.StringIO(), width=80, force_terminal=True)
    with progress_display(console, ["clean_events", "other"], 90.0):
        tell()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "stage 1 of 2, 0 s, about 90 s left" in text and "loss 0.5" in text


def test_on_a_terminal_a_table_adds_up_and_goes_away() -> None:
    console = PlainConsole(file=io.StringIO(), width=80, force_terminal=True)
    with progress_display(console):
        tell()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "clean events" in text and "2,000" in text and "0.3" in text
    # the last words are those that clear the lines
    assert text.rstrip().endswith("\x1b[2K")


@pytest.mark.parametrize("height", [3, 8, 40])
def test_the_table_fits_a_terminal_of_any_height(height: int) -> None:
    console = PlainConsole(file=io.StringIO(), width=80, height=height, force_terminal=True)
    with progress_display(console):
        for number in range(30):
            logging.getLogger("homeshelf.stages").info(f"stage_{number} bucket=0 rows=1 ms=1")
        (handler,) = (one for one in logging.getLogger("homeshelf").handlers if hasattr(one, "__rich__"))
        lines = [line for line in console.render_lines(handler.__rich__(), pad=False)]
    text = "\n".join("".join(segment.text for segment in line) for line in lines)
    assert "stage 29" in text and (len(lines) <= height or height < 5)


def test_afterwards_nobody_listens_even_after_an_error() -> None:
    logger = logging.getLogger("homeshelf")
    before = list(logger.handlers)
    with pytest.raises(RuntimeError), progress_display(PlainConsole(file=io.StringIO())):
        raise RuntimeError
    assert logger.handlers == before
