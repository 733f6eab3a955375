"""Hooks of MkDocs (mkdocs.yml): README.md is the site's home, and code that a page links to is a page of the site."""

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
# documents outside docs/ that are pages of the site, by their path from the root
_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_SOURCES = {page: document for document, page in _PAGES.items()}
# a link in Markdown, or in HTML, which MkDocs hands on as it is
_LINK = re.compile(r'(\]\(|href=")([^)#"\s:]+)')
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".sh": "bash", ".md": "markdown", ".toml": "toml", ".json": "json"}


def on_files(files: Any, config: Any) -> Any:
    """Add the documents outside docs/, and a page for each file and folder of code that any page leads to."""
    from mkdocs.structure.files import File

    for document, page in _PAGES.items():
        head = "---\nhide: [navigation]\n---\n\n" if page == "index.md" else ""
        text = (_ROOT / document).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=f"{head}{text}"))
    pages = [file for file in files.documentation_pages() if file.src_uri.endswith(".md")]
    for path in _reached({path for file in pages for path in linked_code(file.content_string, file.src_uri)}):
        files.append(File.generated(config, code_page(path), content=render_code(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the links of a page that lead out of docs/."""
    return rewrite_links(markdown, page.file.src_uri)


def rewrite_links(markdown: str, page: str) -> str:
    """Point links to documents and code outside docs/ at their pages of the site; leave all others as they are."""

    def rewritten(match: re.Match[str]) -> str:
        path = _repository_path(match[2], page)
        if page not in _SOURCES and path.startswith("docs/"):
            return match[0]
        target = path.removeprefix("docs/") if path.startswith("docs/") else _PAGES.get(path, "")
        if not target and (_ROOT / path).exists():
            target = code_page(path)
        link = posixpath.relpath(target, posixpath.dirname(page) or ".") if target else match[2]
        return match[1] + (link.replace(".md", ".html") if match[1].startswith("href") else link)

    return markdown if page.startswith("source/") else _LINK.sub(rewritten, markdown)


def linked_code(markdown: str, page: str) -> set[str]:
    """Return the files and folders outside docs/ that a page links to, as paths from the root."""
    paths = {_repository_path(match[2], page) for match in _LINK.finditer(markdown)}
    outside = {path for path in paths if not path.startswith(("docs/", "..")) and path not in _PAGES}
    return {path for path in outside if (_ROOT / path).exists()}


def _repository_path(link: str, page: str) -> str:
    document = _SOURCES.get(page, f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(document), link))


def code_page(path: str) -> str:
    """Return the page of a file or folder of code."""
    return f"source/{path}/index.md" if (_ROOT / path).is_dir() else f"source/{path}.md"


def _reached(paths: set[str]) -> list[str]:
    """Return the paths, and everything below their folders."""
    below = {inner for path in paths if (_ROOT / path).is_dir() for inner in _children(path)}
    return sorted(paths | (set(_reached(below)) if below else set()))


def _children(folder: str) -> Iterator[str]:
    for path in sorted((_ROOT / folder).iterdir()):
        is_text = path.is_dir() or path.suffix in _LANGUAGES or path.name == "Dockerfile"
        if is_text and not path.name.startswith(("_", ".")):
            yield f"{folder}/{path.name}"


def render_code(path: str) -> str:
    """Return the page of a file, or of a folder: its files, each with its sentence. Searches leave both out."""
    head = f"---\nsearch:\n  exclude: true\n---\n\n# `{path}`\n\n"
    file = _ROOT / path
    if not file.is_dir():
        return f"{head}~~~~~~ {_LANGUAGES.get(file.suffix, 'text')}\n{file.read_text(encoding='utf-8')}~~~~~~\n"
    rows = "\n".join(
        f"- [{posixpath.basename(one)}]({posixpath.relpath(code_page(one), f'source/{path}')}): {_sentence(one)}"
        for one in _children(path)
    )
    return f"{head}{_sentence(path)}\n\n{rows}\n"


def _sentence(path: str) -> str:
    """Return the first line of the docstring of a module or package."""
    file = _ROOT / path / "__init__.py" if (_ROOT / path).is_dir() else _ROOT / path
    is_module = file.suffix == ".py" and file.is_file()
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) if is_module else ""
    return (text or "").partition("\n")[0]
