"""Folders that several tests read, built once for all test processes and kept until the sources change."""

import fcntl
import hashlib
import os
import platform
import shutil
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_CACHE = ROOT / ".pytest_cache" / "built"
# All that decides what a build writes. A change of any of these files builds anew.
_SOURCES = ("homeshelf", "pipelines", "transforms", "models", "tests")


def built_once(name: str, build: Callable[[Path], object]) -> Path:
    """Return the folder `name`, which `build` fills if no test process has done so with the present sources.

    Tests must not write into it: other processes read it, and so will the next run of the tests.
    """
    root = _current_folder()
    folder, whole = root / name, root / f"{name}.whole"
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            whole.touch()
    return folder


@cache
def _current_folder() -> Path:
    """Return the folder of the present sources and interpreter; those of other sources go after a day."""
    interpreter = f"{platform.python_implementation()}-{platform.python_version()}"
    current = _CACHE / f"{interpreter}-{_hash_of_sources()}"
    current.mkdir(parents=True, exist_ok=True)
    for other in _CACHE.glob(f"{interpreter}-*"):
        if other != current and other.stat().st_mtime < time.time() - 86_400:
            shutil.rmtree(other, ignore_errors=True)
    return current


def _hash_of_sources() -> str:
    """Return a hash of the Python files of the project, the pinned dependencies, and the plugins."""
    digest = hashlib.sha256(os.environ.get("HOMESHELF_PLUGINS", "").encode())
    files = [path for name in _SOURCES for path in (ROOT / name).rglob("*.py")]
    for path in sorted([*files, ROOT / "requirements.txt"]):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
