from pathlib import Path

import pytest

from pipelines.docs.render_docs import DOCUMENTS, render_sections


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_are_what_the_code_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert render_sections(text) == text, "run python -m pipelines.docs.render_docs"
