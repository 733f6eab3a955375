"""Processes whose plugins are the examples of the how-to pages; tuples of entries are made once per process."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
MODULES = tuple(sorted(path.stem for path in EXAMPLES.glob("*.py")))


def environment(modules: Sequence[str] = MODULES) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(EXAMPLES)])
    return {**os.environ, "HOMESHELF_PLUGINS": ",".join(modules), "PYTHONPATH": path}


def python(*argv: str, modules: Sequence[str] = MODULES) -> "subprocess.CompletedProcess[str]":
    """Run Python on the sources of this checkout."""
    command = [sys.executable, *argv]
    return subprocess.run(command, cwd=ROOT, env=environment(modules), capture_output=True, text=True)


def files(*modules: str) -> str:
    """Return the flag that names examples as files."""
    return f"--plugins={','.join(str(EXAMPLES / f'{name}.py') for name in modules)}"


def homeshelf(*argv: str, modules: Sequence[str] = MODULES) -> "subprocess.CompletedProcess[str]":
    return python("-m", "pipelines.cli", *argv, modules=modules)
