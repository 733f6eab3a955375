"""Documents point at what is there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LISTED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True
)
DOCUMENTS = sorted({name for name in LISTED.stdout.split() if (ROOT / name).is_file()})
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PACKAGE_PATH = re.compile(r"`((?:pipelines|transforms|models|tests|templates)/[\w/.]+)`")
GLOSSARY = ROOT / "docs" / "glossary.md"
MAX_WORDS = 40
HREF = re.compile(r'href="([^":#]+)"')


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_paths_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link for link in (*LINK.findall(text), *HREF.findall(text)) if "://" not in link]
    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []
    if name != "CHANGELOG.md":  # it tells of paths that were
        assert [path for path in PACKAGE_PATH.findall(text) if not (ROOT / path).exists()] == []


def test_the_glossary_is_short_sorted_and_one_line_a_word() -> None:
    rows = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][2:]
    words = [row.split("|")[1].strip() for row in rows]
    assert 0 < len(words) <= MAX_WORDS
    assert words == sorted(words, key=str.lower) and len(set(words)) == len(words)
    assert all(len(LINK.findall(row)) == 1 for row in rows)


def test_the_readme_is_one_page() -> None:
    text = (ROOT / "README.md").read_bytes()
    assert text.count(b"\n") <= 150 and len(text) <= 8 * 1024
    assert (ROOT / "docs" / "images" / "home.png").stat().st_size < 300_000
