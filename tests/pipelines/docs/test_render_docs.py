from pathlib import Path

import pytest

from pipelines.docs.markdown import markdown_table
from pipelines.docs.render_docs import DOCUMENTS, render_sections


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_are_what_the_code_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert render_sections(text) == text, "run python -m pipelines.docs.render_docs"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("a list<string>", "a list&lt;string>"), ("`list<string>`, <b>", "`list<string>`, &lt;b>"), ("a | b", "a \\| b")],
)
def test_a_cell_is_shown_as_it_is(cell: str, expected: str) -> None:
    assert markdown_table(["x"], [[cell]]).splitlines()[-1] == f"| {expected} |"
