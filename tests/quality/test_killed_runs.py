"""A run killed at any moment leaves the published run whole, and the next attempt writes the same bytes."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import psutil

from pipelines.sample_world.world import WorldSpec, write_sample_world
from tests.runs import FAST, Published

# python -m tests.attacks tries more of them, and other signals
NUM_MOMENTS = 4
# Reports when its imports are done, so that it is killed during the work.
RUN = """
import json, os, sys
import pipelines.home_shelves, pipelines.launch.launch
from pipelines.cli import main

print("ready", file=sys.stderr, flush=True)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
sys.exit(main(json.loads(sys.stdin.readline())))
"""


def run(argv: list[str], killed_after: float | None = None) -> tuple[int, float]:
    """Run in a process of its own; return the exit status (negative: the signal) and the seconds of processor time.

    killed_after: seconds of processor time, too, so that other work on the machine moves no moment.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", RUN], text=True, **pipes)
    assert process.stdin and process.stderr
    while process.stderr.readline() != "ready\n":
        assert process.poll() is None
    meter = psutil.Process(process.pid)
    used = seconds = sum(meter.cpu_times()[:2])
    process.stdin.write(f"{json.dumps(argv)}\n")
    process.stdin.close()
    # a process that has ended keeps its times until it is waited for
    while meter.status() != psutil.STATUS_ZOMBIE and (killed_after is None or seconds - used < killed_after):
        time.sleep(0.01)
        seconds = sum(meter.cpu_times()[:2])
    if killed_after is not None:
        process.kill()
    return process.wait(), seconds - used


def manifest_hashes(manifest: Path) -> dict[str, str]:
    tables = json.loads(manifest.read_text())["tables"].values()
    return {file["path"]: file["sha256"] for table in tables for file in table["files"]}


def test_a_run_that_is_killed_at_any_moment_leaves_a_whole_one_behind(tmp_path: Path) -> None:
    world, output = tmp_path / "world", tmp_path / "out"
    ends_at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    write_sample_world(world, WorldSpec(num_users=60, num_tracks=600, num_days=40, seed=6, ends_at=ends_at))
    argv = ["run", f"--events={world}/events", f"--tracks={world}/tracks", f"--output={output}", *FAST]
    # the first run warms the file cache: moments are taken from the second
    assert run([*argv, "--run_id=cold"])[0] == 0
    status, whole = run([*argv, "--run_id=first"])
    assert status == 0
    first, draw = Published(output).hashes(), random.Random(1)
    statuses, attempt = [], 0
    for moment in range(NUM_MOMENTS):
        # all attempts have one run id: each finds the remains of those before it
        after = whole * (moment + draw.random()) / NUM_MOMENTS
        statuses.append(run([*argv, f"--run_id=again{attempt}"], killed_after=after)[0])
        for manifest in output.glob("ds=*/run=*/manifest.json"):
            assert manifest_hashes(manifest) == first
            for path, digest in first.items():
                assert hashlib.sha256((manifest.parent / path).read_bytes()).hexdigest() == digest
        assert Published(output).hashes() == first
        # at the last moments a run may already be finished
        attempt += (output / "ds=2025-12-31" / f"run=again{attempt}" / "manifest.json").exists()
    assert statuses[:3] == [-signal.SIGKILL] * 3
    assert run([*argv, f"--run_id=again{attempt}"])[0] == 0
    last = Published(output)
    assert last.manifest["run"] == f"run=again{attempt}" and last.hashes() == last.read_hashes() == first
