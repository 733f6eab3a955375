"""A worker process that is killed fails the run, and leaves nothing published and no process behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.runs import FAST

FAILED = "homeshelf: failed: a worker process died"
PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
# The last stage of a graph gives nothing to wait for but its end: here the runner itself would never notice.
SMALL = """
import sys
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from pipelines.diagnostics import diagnosed
from pipelines.options.common_options import CommonOptions
from pipelines.launch import workers
from transforms.tables.failures import last_error_line

def end(_):
    import os, signal
    {end}

if __name__ == "__main__":
    workers.PATIENCE = 1.0
    try:
        with diagnosed(CommonOptions()), workers.watch_workers():
            with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as pipeline:
                pipeline | beam.Create([1, 2]) | beam.Reshuffle() | beam.Map(end)
    except Exception as error:
        sys.exit(last_error_line(error))
"""


def workers_of(run: subprocess.Popen[str]) -> list[psutil.Process]:
    """The worker processes themselves, without the shells that start them."""
    children = psutil.Process(run.pid).children(recursive=True)
    return [child for child in children if "sdk_worker_main" in " ".join(child.cmdline()) and not child.children()]


def test_the_death_of_a_worker_process_fails_the_run(world: Path, models: list[str], tmp_path: Path) -> None:
    flags = [f"--events={world}/events", f"--tracks={world}/tracks", f"--output={tmp_path}", *FAST, *models]
    command = [sys.executable, "-m", "pipelines.cli", "run", *flags, *PROCESSES]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ends_at = time.monotonic() + 120
    # from the first artifact on the workers are at work
    while not list(tmp_path.glob("ds=*/run=*/tracks/*/*")) and run.poll() is None:
        assert time.monotonic() < ends_at
        time.sleep(0.05)
    children, workers = psutil.Process(run.pid).children(recursive=True), workers_of(run)
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    _, said = run.communicate(timeout=120)
    # threads of gRPC may still complain behind it
    assert run.returncode == 1 and sum(line.startswith(FAILED) for line in said.splitlines()) == 1
    assert not list(tmp_path.glob("ds=*/CURRENT"))
    assert not psutil.wait_procs(children, timeout=30)[1]


@pytest.mark.parametrize(
    ("end", "last"),
    [("os.kill(os.getpid(), signal.SIGKILL)", FAILED), ("raise ValueError('no')", "ValueError: no")],
    ids=["killed", "fails"],
)
def test_a_last_stage_without_an_answer_does_not_wait_for_ever(end: str, last: str, tmp_path: Path) -> None:
    script = tmp_path / "small.py"
    script.write_text(SMALL.format(end=end))
    run = subprocess.run([sys.executable, script, *PROCESSES], stderr=subprocess.PIPE, text=True, timeout=60)
    (line,) = run.stderr.splitlines()
    assert run.returncode == 1 and line.startswith(last)


@pytest.mark.parametrize("flags", [[], PROCESSES], ids=["one process", "workers"])
@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGTERM, 143, ["homeshelf: terminated"]),
        (signal.SIGINT, 130, ["homeshelf: interrupted"]),
        (signal.SIGKILL, -9, []),
    ],
)
def test_a_run_that_a_signal_ends_says_one_line_and_leaves_no_worker(
    number: signal.Signals, status: int, said: list[str], flags: list[str], tmp_path: Path
) -> None:
    program, at_work = tmp_path / "small.py", tmp_path / "at_work"
    program.write_text(SMALL.format(end=f"import time; open({str(at_work)!r}, 'w').close(); time.sleep(300)"))
    pythonpath = {"PYTHONPATH": str(Path(__file__).parents[3])}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "start_new_session": True}
    run = subprocess.Popen([sys.executable, str(program), *flags], text=True, env={**os.environ, **pythonpath}, **pipes)
    ends_at = time.monotonic() + 60
    while not at_work.exists() and time.monotonic() < ends_at:
        time.sleep(0.1)
    children = workers_of(run)
    # as a terminal sends Ctrl-C
    (os.killpg if number == signal.SIGINT else os.kill)(run.pid, number)
    _, lines = run.communicate(timeout=60)
    assert (run.returncode, lines.splitlines()) == (status, said)
    assert len(children) == len(flags) and not psutil.wait_procs(children, timeout=30)[1]
