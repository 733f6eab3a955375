"""The one door to the terminal: whatever a text holds, it is shown and not obeyed."""

import ast
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

import pipelines
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.plain_text import one_line

WORDS = ["[/top] shelf", "[bold]x[/]", "[link=http://x]x[/link]", ":fire:", "\x1b[2J", "\x1b]0;x\x07", "[", "\\["]
LETTERS = st.sampled_from("ab[]/\\:=\x1b\x07\x9b\r\u202e\ud800 ") | st.characters()
HOSTILE = st.text(LETTERS, max_size=30) | st.sampled_from(WORDS)


@given(HOSTILE, st.booleans())
def test_a_terminal_gets_no_orders(text: str, is_terminal: bool) -> None:
    console = PlainConsole(file=io.StringIO(), width=100, force_terminal=is_terminal, color_system=None)
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    table.add_row(Text.assemble((text, "bold")))
    for one in (text, Text(text), table):
        console.print(one, highlight=False)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\n", "").isprintable()
    said.encode()


@pytest.mark.parametrize("text", ["[/top] shelf", "[bold]x[/]", ":fire:", "\\[a]"])
def test_what_looks_like_markup_is_shown_as_it_is(text: str) -> None:
    console = PlainConsole(file=io.StringIO(), width=100)
    console.print(text)
    assert console.file.getvalue() == f"{text}\n"  # type: ignore[attr-defined]


@given(HOSTILE)
def test_an_error_is_one_line(text: str) -> None:
    assert one_line(text).isprintable() and len(one_line(text * 1_000)) < 2_010


def test_there_is_no_other_door() -> None:
    """Only rendering/console.py may make a console of rich, which reads markup."""
    for path in Path(pipelines.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = node.module if isinstance(node, ast.ImportFrom) else ""
            assert named not in ("rich.console", "rich.markup") or path.name == "console.py", path


def test_a_notebook_gets_lines_on_its_streams_and_no_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert not PlainConsole().is_jupyter
