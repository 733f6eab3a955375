"""Run one measurement in a process of its own: its clock starts after the imports, its peak memory is its alone."""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Child:
    """Measurements of a process: seconds and bytes of the function; `bytes_before` is the memory that imports hold."""

    seconds: float
    import_seconds: float
    peak_bytes: int
    bytes_before: int
    result: Any


def in_child(function: Callable[..., Any], **arguments: Any) -> Child:
    """Call a function of a module with arguments of plain JSON in a fresh Python; its result must be plain, too.

    Raises:
        RuntimeError: the child failed; its last words are the message.
    """
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch, "answer.json")
        task = json.dumps([function.__module__, function.__name__, arguments, str(answer)])
        command = [sys.executable, "-m", "tests.benchmarks.child_process", task]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{function.__module__}.{function.__name__} failed:\n{done.stderr[-4000:]}")
        return Child(**json.loads(answer.read_text()))


def memory(field: str) -> int:
    """Return bytes of this process: VmRSS now, VmHWM at its peak. (ru_maxrss would count the parent's at the fork.)"""
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    """Run the task on the command line."""
    module, name, arguments, answer = json.loads(sys.argv[1])
    begin = time.perf_counter()
    function = getattr(importlib.import_module(module), name)
    start, before = time.perf_counter(), memory("VmRSS")
    result = function(**arguments)
    seconds = time.perf_counter() - start
    child = Child(seconds, start - begin, memory("VmHWM"), before, result)
    Path(answer).write_text(json.dumps(asdict(child)))


if __name__ == "__main__":
    main()
