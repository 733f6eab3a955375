"""The console script runs from any folder, and says so where another module has the name of one of ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def started(folder: Path, *paths: Path) -> "subprocess.CompletedProcess[str]":
    code = "import sys; sys.argv = ['homeshelf', '--version']; from homeshelf.__main__ import start; sys.exit(start())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["models", "transforms", "pipelines"])
@pytest.mark.parametrize("kind", ["{}/__init__.py", "{}/x.py", "{}.py"])
def test_a_module_of_the_same_name_is_named_in_one_line(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind.format(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    done = started(tmp_path, tmp_path, ROOT)
    # a folder without __init__.py does not hide a package that has one
    if kind == "{}/x.py":
        assert done.returncode == 0 and done.stdout.startswith("homeshelf ")
        return
    assert done.returncode == 2 and done.stderr.startswith(f"homeshelf: error: the module '{name}' is {path}")
    assert done.stderr.count("\n") == 1
    assert started(tmp_path, ROOT).returncode == 0
