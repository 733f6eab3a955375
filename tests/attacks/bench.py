"""Commands at work on outputs of a tiny world, and what is wrong with an output after them."""

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import psutil

from pipelines.cli import main as homeshelf
from pipelines.inputs.run_folders import list_run_folders
from pipelines.sample_world.world import WorldSpec, write_sample_world

WORKERS = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
ERASED_USER = "user_00003"
_FLAGS = (
    *("--tower_size=8", "--num_tower_epochs=1", "--num_negatives=64", "--num_neighbours=20", "--max_candidates=40"),
    *("--num_epochs=1", "--embedding_size=8", "--hidden_units=16", "--batch_size=512", "--num_buckets=2", "--gate=off"),
)
# Commands are forks of a process that has imported these: imports take longer than all else on a world of this size.
_IMPORTED = (
    *("pipelines.launch.launch", "pipelines.launch.summary", "models.ranker.dcn_v2", "models.towers.two_tower"),
    *("pipelines.runs.preview.preview", "pipelines.runs.run_report", "pipelines.check.check", "pipelines.runs.erasure"),
)
_forks = get_context("forkserver")
_forks.set_forkserver_preload(list(_IMPORTED))


def _errors(path: Path) -> list[str]:
    """Return the lines of standard error that tell of an error, without those of progress."""
    lines = path.read_text().splitlines() if path.exists() else []
    is_said = [number for number, line in enumerate(lines) if line.startswith("homeshelf: ")]
    return lines[is_said[0] :] if is_said else []


class Command:
    """A homeshelf command at work, in a session of its own; what it says on standard error goes to a file."""

    def __init__(self, argv: Sequence[str], folder: Path) -> None:
        self.started = time.monotonic()
        self.errors = folder / f"said-{time.monotonic_ns()}"
        self.process = _forks.Process(target=_run, args=(list(argv), str(self.errors)))
        self.process.start()
        # until it leads a session, it is in none that could be signalled
        while self.process.is_alive() and os.getsid(self.process.pid) != self.process.pid:
            time.sleep(0.01)

    def end(self, timeout: float = 600) -> tuple[int | None, list[str]]:
        """Wait for the end; return the exit status (negative: the signal; None: no end) and the lines that it said."""
        self.process.join(timeout)
        status = self.process.exitcode
        if status is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        return status, _errors(self.errors)

    def left(self, timeout: float) -> int:
        """Wait for the end of all processes of the session; return how many there are still."""
        ends_at = time.monotonic() + timeout
        while (found := _session(self.process.pid)) and time.monotonic() < ends_at:
            time.sleep(0.05)
        for number in found:
            os.kill(number, signal.SIGKILL)
        return len(found)


def _run(argv: list[str], errors: str) -> None:
    os.setsid()
    for number, path in ((1, os.devnull), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(homeshelf(argv))


def _session(leader: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (OSError, psutil.Error):
            continue
    return found


@dataclass(frozen=True)
class Bench:
    """A tiny world, and an output with a trained run and two days of others that borrow its models."""

    folder: Path
    kills: int

    @property
    def base(self) -> Path:
        """Return the output that all attacks begin with."""
        return self.folder / "base"

    @property
    def erased(self) -> Path:
        """Return the users to erase."""
        return self.folder / "erased.parquet"

    def build(self) -> None:
        """Write the world and the runs: a (trained), b of the next day, c and the current d of the last."""
        ends_at = datetime(2026, 1, 1, tzinfo=timezone.utc)
        spec = WorldSpec(num_users=12, num_tracks=80, num_days=35, seed=1, ends_at=ends_at)
        write_sample_world(self.folder / "world", spec)
        pl.DataFrame({"user_id": [ERASED_USER]}).write_parquet(self.erased)
        days = (("a", "2025-12-30"), ("b", "2025-12-31"), ("c", "2026-01-01"), ("d", "2026-01-01"))
        for run_id, as_of in days:
            argv = self.run(self.base, run_id, as_of, is_trained=run_id == "a")
            status, said = Command(argv, self.folder).end()
            assert status == 0, said

    def run(self, output: Path, run_id: str, as_of: str = "2026-01-01", *, is_trained: bool = False) -> list[str]:
        """Return the arguments of a run, which borrows the models of run a unless it is trained."""
        world, first = self.folder / "world", f"{output}/ds=2025-12-29/run=a"
        borrowed = ["--mode=score", f"--ranker={first}", f"--embeddings={first}", "--num_warm_epochs=0"]
        tables = [f"--events={world}/events", f"--tracks={world}/tracks", f"--users_table={world}/users"]
        wanted = [f"--output={output}", f"--as_of={as_of}", f"--run_id={run_id}", *([] if is_trained else borrowed)]
        return ["run", *tables, *_FLAGS, *wanted]

    def copy(self, name: str) -> Path:
        """Return a fresh copy of the output."""
        output = self.folder / name
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(self.base, output)
        return output


def stated_hashes(output: Path, run_id: str) -> dict[str, str]:
    """Return the hashes of all files of tables and artifacts that the manifest of a run of the last day states."""
    manifest = json.loads((output / "ds=2025-12-31" / f"run={run_id}" / "manifest.json").read_text())
    tables = {file["path"]: file["sha256"] for table in manifest["tables"].values() for file in table["files"]}
    artifacts = manifest["artifact_files"].items()
    return tables | {f"{name}/{file['path']}": file["sha256"] for name, files in artifacts for file in files}


def find_faults(output: Path) -> Iterator[str]:
    """Yield what is wrong with an output: pointers to nothing, and published runs that are not what they state."""
    found = list_run_folders(str(output))
    yield from found.problems
    for run in found.runs:
        if run.manifest is None:
            continue
        folders = [(run.path, table.files) for table in run.manifest.tables.values()]
        folders += [(run.artifact(name), files) for name, files in run.manifest.artifact_files.items()]
        for folder, files in folders:
            for file in files:
                path = Path(folder, file.path)
                if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
                    yield f"{path} is not what its run wrote"
    if not found.current:
        yield "no run is current"


def holders(output: Path, user: str) -> list[str]:
    """Return the files that name a user: as bytes, or in a user_id."""
    found = []
    for path in sorted(path for path in output.rglob("*") if path.is_file()):
        content = path.read_bytes()
        is_table = content[:4] == b"PAR1" and "user_id" in pl.read_parquet_schema(path)
        if user.encode() in content or (is_table and user in pl.read_parquet(path)["user_id"].cast(pl.String)):
            found.append(str(path))
    return found


def pointed(output: Path) -> str:
    """Return the run that the pointer of the last day names."""
    path = output / "ds=2025-12-31" / "CURRENT"
    return path.read_text().strip() if path.exists() else "none"


def is_told(status: int | None, said: Sequence[str]) -> bool:
    """Return whether a command ended with a documented status, and a failed one with one line and no traceback."""
    if status == 0 or status == -signal.SIGKILL or status == -signal.SIGTERM:
        return not said
    return status in (1, 2, 130, 143) and len(said) == 1 and said[0].startswith("homeshelf: ")


def one_said(lines: Sequence[str]) -> str:
    """Return the first line that a command said, cut, and how many followed."""
    return f"{lines[0][:90]}{f' (+{len(lines) - 1} lines)' if len(lines) > 1 else ''}" if lines else ""


def arguments(bench: Bench, output: Path, name: str) -> list[str]:
    """Return the arguments of a command of a pair."""
    if name.startswith("run "):
        return bench.run(output, name.removeprefix("run "))
    named: dict[str, list[str]] = {
        "prune": ["--keep=1", "--grace_hours=0"],
        "erase": [f"--erased_users={bench.erased}"],
        "preview": [f"--file={bench.folder}/preview.html"],
    }
    target = "run" if name in ("check", "preview", "report") else "output"
    return [name, f"--{target}={output}", *named.get(name, [])]
