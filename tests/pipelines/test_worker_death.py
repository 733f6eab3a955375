"""A worker process that is killed fails the run, and leaves nothing published and no process behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.runs import FAST


def test_the_death_of_a_worker_process_fails_the_run(world: Path, models: list[str], tmp_path: Path) -> None:
    flags = [f"--events={world}/events", f"--tracks={world}/tracks", f"--output={tmp_path}", *FAST, *models]
    processes = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    command = [sys.executable, "-m", "pipelines.cli", "run", *flags, *processes]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ends_at = time.monotonic() + 120
    # from the first artifact on the workers are at work
    while not list(tmp_path.glob("ds=*/run=*/tracks/*/*")) and run.poll() is None:
        assert time.monotonic() < ends_at
        time.sleep(0.05)
    children = psutil.Process(run.pid).children(recursive=True)
    workers = [child for child in children if "sdk_worker_main" in " ".join(child.cmdline()) and not child.children()]
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 1 and said.splitlines()[-1].startswith("homeshelf: failed: a worker process died")
    assert not list(tmp_path.glob("ds=*/CURRENT"))
    assert not psutil.wait_procs(children, timeout=30)[1]
