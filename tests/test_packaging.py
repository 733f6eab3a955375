"""What a worker would install, and on which Pythons the project runs."""

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PACKAGES = ("homeshelf", "pipelines", "transforms", "models")
# Arguments that a patch release added (3.10.12, 3.11.4; the last two 3.10.15, 3.11.10): earlier patch releases, such as
# Debian 12's Python 3.11.2, do not have them. What is newer than 3.10 altogether is found by mypy (python_version).
NEW_ARGUMENTS = {
    ("extract", "filter"),
    ("extractall", "filter"),
    ("unpack_archive", "filter"),
    ("getaddresses", "strict"),
    ("parseaddr", "strict"),
}


def test_the_wheel_holds_the_packages_and_nothing_else(tmp_path: Path) -> None:
    # what pip wheel does; the build folder would otherwise keep files that were deleted since
    copy = tmp_path / "project"
    copy.mkdir()
    for name in (
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "homeshelf",
        "pipelines",
        "transforms",
        "models",
        "tests",
    ):
        os.symlink(ROOT / name, copy / name)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {*PACKAGES}
    assert {
        f"pipelines/runs/preview/{name}"
        for name in ("preview.html", "preview.css", "queues.css", "preview.js", "queues.js")
    } <= set(names)
    modules = {name for name in names if name.endswith(".py")}
    assert modules == {str(path.relative_to(ROOT)) for p in PACKAGES for path in (ROOT / p).rglob("*.py")}


def test_no_call_needs_a_late_patch_release_of_python() -> None:
    folders = ("pipelines", "transforms", "models", "tests", "templates")
    found = []
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            found += [f"{path}:{call.lineno}" for keyword in call.keywords if (name, keyword.arg) in NEW_ARGUMENTS]
    assert found == []


def test_all_places_name_one_version_and_day() -> None:
    named = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    release = f"## {named['version']} ({named['date-released']})"
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line[:3] == "## "]
    assert headings[0] == release
    assert f'\nversion = "{named["version"]}"\n' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
