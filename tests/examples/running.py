"""Processes whose plugins are the examples of the how-to pages; tuples of entries are made once per process."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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


class Done(NamedTuple):
    """Exit status of a command, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


_SEVERAL = """
import json, sys
from pipelines.cli import main
for argv in json.loads(sys.argv[1]):
    status = main(argv)
    for file in (sys.stdout, sys.stderr):
        print(f"\\0{status}\\0", end="", file=file, flush=True)
"""


def homeshelf(*commands: Sequence[str], modules: Sequence[str] = MODULES) -> list[Done]:
    """Run commands one after another in one process, which takes seconds to import what they need."""
    done = python("-c", _SEVERAL, json.dumps(commands), modules=modules)
    found = [text.split("\0") for text in (done.stdout, done.stderr)]
    assert len(found[0]) == 2 * len(commands) + 1, done.stderr[-3000:]
    return [Done(int(found[0][at + 1]), found[0][at], found[1][at]) for at in range(0, 2 * len(commands), 2)]
