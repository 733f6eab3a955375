"""What a worker would install."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_the_three_packages_and_nothing_else(tmp_path: Path) -> None:
    # what pip wheel does; the build folder would otherwise keep files that were deleted since
    copy = tmp_path / "project"
    copy.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "pipelines", "transforms", "models", "tests"):
        os.symlink(ROOT / name, copy / name)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"pipelines", "transforms", "models"}
    assert {f"pipelines/runs/preview.{kind}" for kind in ("html", "css", "js")} <= set(names)
    modules = {name for name in names if name.endswith(".py")}
    assert modules == {
        str(path.relative_to(ROOT)) for p in ("pipelines", "transforms", "models") for path in (ROOT / p).rglob("*.py")
    }
