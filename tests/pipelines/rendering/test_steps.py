"""Life of a long command: lines on standard error, none on standard output."""

import io

import pytest

from pipelines.rendering.console import PlainConsole
from pipelines.rendering.steps import shown_steps


def test_elsewhere_than_on_a_terminal_each_step_is_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_steps() as step:
        step("files")
        step("pages [bold]of all[/bold]")
    out, err = capsys.readouterr()
    assert out == "" and [line.split("s  ")[1] for line in err.splitlines()] == ["files", "pages [bold]of all[/bold]"]


def test_on_a_terminal_one_line_changes_and_goes_away() -> None:
    console = PlainConsole(file=io.StringIO(), width=80, force_terminal=True)
    with shown_steps(console) as step:
        step("files")
    assert console.file.getvalue().endswith("\x1b[2K")  # type: ignore[attr-defined]
