"""Plant faults in the product, one at a time, and run the tests of the folder: which faults do they catch?

python -m tests.mutations                 all faults, in a copy of the project
python -m tests.mutations clean_events    those whose file has this in its path
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.planted_faults import FAULTS, Fault

ROOT = Path(__file__).parents[1]
_TIMEOUT_SECONDS = 600


def find_stale_faults() -> list[Fault]:
    """Return the faults whose text does not stand once in their file."""
    return [fault for fault in FAULTS if (ROOT / fault.file).read_text().count(fault.right) != 1]


def is_caught(fault: Fault, copy: Path) -> tuple[str, float]:
    """Plant a fault in a copy of the project, run its tests; return the first test that failed and the seconds.

    A test that fails without the fault, too, has not caught it.
    """
    path, started = copy / fault.file, time.monotonic()
    before = path.read_text()
    path.write_text(before.replace(fault.right, fault.wrong))
    try:
        caught = first_failure(copy, fault.tested_by)
    finally:
        path.write_text(before)
    if "::" in caught and first_failure(copy, caught):
        caught = ""
    return caught, time.monotonic() - started


def first_failure(copy: Path, tests: str) -> str:
    """Run tests of a copy of the project; return the first that failed, what else ended them, or nothing."""
    command = [sys.executable, "-m", "pytest", "-x", "--durations=0", "--durations-min=1000", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run([*command, tests], cwd=copy, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return f"no end within {_TIMEOUT_SECONDS} s"
    failed = [line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if failed:
        return failed[0].removeprefix("FAILED ").removeprefix("ERROR ")
    return done.stdout[-200:] if done.returncode else ""


def copy_project(folder: Path) -> Path:
    """Copy the files that git knows, and link ../shared beside them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    copy = folder / "project"
    for name in listed.stdout.split("\0")[:-1]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    if (shared := ROOT.parent / "shared").exists():
        (folder / "shared").symlink_to(shared)
    return copy


def run_faults(faults: Sequence[Fault], folder: Path) -> int:
    """Print a table row for each fault as its tests end; return how many faults no test caught."""
    copy, missed = copy_project(folder), 0
    for fault in faults:
        caught, seconds = is_caught(fault, copy)
        missed += not caught
        print(f"| {fault.kind} | {fault.file} | {caught or 'NOT CAUGHT'} | {seconds:.0f} s |", flush=True)
    return missed


def main(argv: Sequence[str]) -> int:
    """Run the faults whose file matches; return 1 if more than one in thirty is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="a part of the path of a file")
    parser.add_argument("--jobs", type=int, default=1, help="copies of the project that are tested at a time")
    options = parser.parse_args(argv)
    if stale := find_stale_faults():
        parser.error("the text to replace is not there once: " + "; ".join(f"{one.file}: {one.right}" for one in stale))
    faults = [fault for fault in FAULTS if options.only in fault.file]
    print("| fault in | file | caught by | time |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as threads:
        folders = [Path(folder) / str(number) for number in range(options.jobs)]
        parts = [faults[number :: options.jobs] for number in range(options.jobs)]
        missed = sum(threads.map(run_faults, parts, folders))
    print(f"{len(faults) - missed} of {len(faults)} caught")
    return int(missed * 30 > len(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
