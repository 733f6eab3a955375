"""Whatever is changed in the files of a published run, homeshelf check finds."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.check.files import check_files
from pipelines.inputs.published import PublishedRun
from tests.runs import Published

Row = dict[str, Any]


def first(folder: Path, pattern: str) -> Path:
    return sorted(path for path in folder.glob(pattern) if path.is_file())[0]


def write(path: Path, content: bytes) -> None:
    # the file is a hard link to that of a shared run
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    write(path, bytes(content))


def state(folder: Path, change: Callable[[Row], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    write(folder / "manifest.json", json.dumps(manifest).encode())


FILES: dict[str, Callable[[Path], None]] = {
    "flipped bit of pages": lambda folder: flip(first(folder, "pages/*")),
    "flipped bit of rejects": lambda folder: flip(first(folder, "rejected/*")),
    "flipped bit of the ranker": lambda folder: flip(first(folder, "models/*/variables/*")),
    "flipped bit of the blend": lambda folder: flip(first(folder, "blends/*/*")),
    "missing file of candidates": lambda folder: first(folder, "candidates/*").unlink(),
    "missing file of the ranker": lambda folder: first(folder, "models/*/*.parquet").unlink(),
    "added file of the ranker": lambda folder: write(first(folder, "models/*/*.pb").with_name("more.py"), b"x"),
    "added file of pages": lambda folder: write(folder / "pages" / "part-9.parquet", b"x"),
    "hash": lambda folder: state(folder, lambda now: now["tables"]["pages"]["files"][0].update(sha256="0" * 64)),
    "rows of a table": lambda folder: state(folder, lambda now: now["tables"]["pages"].update(rows=7)),
    "rows of a file": lambda folder: state(folder, lambda now: now["tables"]["pages"]["files"][0].update(rows=7)),
}


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_found(name: str, published: Published, tmp_path: Path) -> None:
    folder = tmp_path / "ds=2025-12-31" / published.folder.name
    shutil.copytree(published.folder, folder, copy_function=os.link)
    run = PublishedRun(str(folder), needs_pages=False)
    assert not any(len(finding.violations) for finding in check_files(run))
    FILES[name](folder)
    run = PublishedRun(str(folder), needs_pages=False)
    assert any(len(finding.violations) for finding in check_files(run))
