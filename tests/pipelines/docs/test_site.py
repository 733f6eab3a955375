"""The links of the site; MkDocs itself checks that their targets and anchors are there (make docs)."""

import pytest

from pipelines.docs.site import linked_code, render_code, rewrite_links


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("index.md", "[a](docs/glossary.md)", "[a](glossary.md)"),
        ("index.md", "![a](docs/images/home.png)", "![a](images/home.png)"),
        ("index.md", "[a](transforms/pages)", "[a](source/transforms/pages/index.md)"),
        ("index.md", '<a href="transforms/pages">', '<a href="source/transforms/pages/index.html">'),
        ("explanation/pages.md", "[a](../../transforms/pages)", "[a](../source/transforms/pages/index.md)"),
        ("explanation/pages.md", "[a](../../README.md#run-it)", "[a](../index.md#run-it)"),
        ("explanation/pages.md", "[a](ranker.md#impressions)", "[a](ranker.md#impressions)"),
        ("explanation/pages.md", "[a](https://x.org/a.md)", "[a](https://x.org/a.md)"),
        ("glossary.md", "[a](../transforms/plugins.py)", "[a](source/transforms/plugins.py.md)"),
        ("glossary.md", "[a](../transforms/absent.py)", "[a](../transforms/absent.py)"),
    ],
)
def test_links_out_of_the_documents_lead_to_pages_of_the_site(page: str, link: str, there: str) -> None:
    assert rewrite_links(link, page) == there


def test_code_that_a_page_links_to_has_a_page() -> None:
    text = "[a](../transforms/plugins.py) [b](../transforms/pages#x) [c](pages.md) [d](../README.md) [e](../gone.py)"
    assert linked_code(text, "glossary.md") == {"transforms/plugins.py", "transforms/pages"}


def test_a_folder_lists_its_files_with_their_sentences() -> None:
    page = render_code("pipelines/docs")
    assert "# `pipelines/docs`" in page
    assert "- [markdown.py](markdown.py.md): Markdown tables." in page
    assert "__init__" not in page


def test_the_code_of_a_file_is_shown_as_it_is() -> None:
    page = render_code("pipelines/docs/markdown.py")
    assert '~~~~~~ python\n"""Markdown tables."""\n' in page and page.endswith("~~~~~~\n")
