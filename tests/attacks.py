"""Attack runs and commands at work on outputs of a tiny world, and print what became of the outputs as tables.

python -m tests.attacks kills    30 runs ended by KILL, TERM or INT at random moments, in one process and with workers
python -m tests.attacks pairs    pairs of commands at once
python -m tests.attacks disk     a disk that fills up at five places of a run, and below other commands (as root)
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    *("pipelines.runs.preview", "pipelines.runs.run_report", "pipelines.check.check", "pipelines.runs.erasure"),
)
_forks = get_context("forkserver")


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
        return status, self.errors.read_text().splitlines() if self.errors.exists() else []

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


def attack_kills(bench: Bench, seed: int) -> Iterator[tuple[bool, str]]:
    """Kill runs; yield whether all is well after each, and a row of the table."""
    yield True, "mode | signal | after | status | said | pointer | workers left | again | well"
    draw, clean, whole = random.Random(seed), {}, {}
    for mode, flags in (("one", ()), ("workers", WORKERS)):
        output = bench.copy("clean")
        command = Command([*bench.run(output, "new"), *flags], bench.folder)
        assert command.end()[0] == 0
        whole[mode], clean[mode] = time.monotonic() - command.started, stated_hashes(output, "new")
    assert clean["one"] == clean["workers"]
    ends = [(mode, number) for number in range(bench.kills) for mode in [("one", "workers")[number // 3 % 2]]]
    for mode, number in ends:
        name = ("KILL", "TERM", "INT")[number % 3]
        after, output = draw.uniform(0, whole[mode]), bench.copy("killed")
        argv = [*bench.run(output, "new"), *(WORKERS if mode == "workers" else ())]
        command = Command(argv, bench.folder)
        command.process.join(after)
        _send(command, name)
        status, said = command.end(60)
        left, pointer = command.left(30), pointed(output)
        faults = list(find_faults(output))
        again, said_again = Command(argv, bench.folder).end()
        is_same = stated_hashes(output, "new") == clean[mode] and pointed(output) == "run=new"
        is_well = is_told(status, said) and not left and not faults and pointer in ("run=d", "run=new")
        # the ID of a published run is refused
        is_well = is_well and again == (2 if pointer == "run=new" else 0) and is_same and not [*find_faults(output)]
        is_well = is_well and status in {"KILL": (-9, 0), "TERM": (143, -15, 0), "INT": (130, 0)}[name]
        line = f"{mode} | {name} | {after:.1f} s of {whole[mode]:.1f} | {status} | {_said(said)} | {pointer} | {left}"
        result = "same bytes" if is_same else "OTHER BYTES"
        yield is_well, f"{line} | {again} {result} {_said(said_again)} | {'; '.join(faults) or is_well}"


def _send(command: Command, name: str) -> None:
    """Send a signal: INT to all processes of the session, as a terminal does, others to the command alone."""
    number = signal.Signals[f"SIG{name}"]
    if command.process.is_alive():
        (os.killpg if name == "INT" else os.kill)(command.process.pid, number)


def _said(lines: Sequence[str]) -> str:
    return f"{lines[0][:90]}{f' (+{len(lines) - 1} lines)' if len(lines) > 1 else ''}" if lines else ""


def attack_pairs(bench: Bench, seed: int) -> Iterator[tuple[bool, str]]:
    """Start two commands at once; yield whether the output and both are well, and a row of the table."""
    yield True, "commands | statuses | said | pointer | holders of the erased | well"
    draw, started = random.Random(seed), time.monotonic()
    assert Command(bench.run(bench.copy("pair"), "new"), bench.folder).end()[0] == 0
    seconds = time.monotonic() - started
    for first, second in _PAIRS:
        output = bench.copy("pair")
        commands = []
        for name in (first, second):
            commands.append(Command(_argv(bench, output, name), bench.folder))
            commands[-1].process.join(draw.uniform(0, seconds if "run " in first else 0.3))
        ended = [command.end() for command in commands]
        faults = [*find_faults(output), *(f"{one.left(10)} left" for one in commands if one.left(10))]
        wrong = [said for status, said in ended if not (is_told(status, said) or _is_listing(status, said))]
        held: list[str] = []
        if "erase" in (first, second):
            again, _ = Command(_argv(bench, output, "erase"), bench.folder).end()
            held = holders(output, ERASED_USER)
            faults += [f"erase again: {again}"] if again else []
        is_well = not faults and not wrong and not held and all(status in (0, 1, 2) for status, _ in ended)
        statuses = ", ".join(str(status) for status, _ in ended)
        said = "; ".join(_said(said) for _, said in ended if said)
        yield (
            is_well,
            f"{first} / {second} | {statuses} | {said} | {pointed(output)} | {held} | {'; '.join(faults) or is_well}",
        )


def _is_listing(status: int | None, said: Sequence[str]) -> bool:
    """Return whether a command ended with a finding (1), which it prints on standard output, or with a remark (0)."""
    return status in (0, 1) and all(line.startswith("homeshelf: ") for line in said) and len(said) < 2


_PAIRS = (
    *(("run new", "run new"), ("run new", "run other"), ("run new", "prune"), ("prune", "prune"), ("run new", "erase")),
    *(("run new", "rollback"), ("erase", "prune"), ("erase", "erase"), ("check", "prune"), ("run new", "preview")),
    *(("run new", "report"), ("rollback", "prune"), ("check", "erase"), ("rollback", "rollback"), ("runs", "prune")),
)


def _argv(bench: Bench, output: Path, name: str) -> list[str]:
    """Return the arguments of a command of a pair."""
    if name.startswith("run "):
        return bench.run(output, name.removeprefix("run "))
    named: dict[str, list[str]] = {
        "prune": ["--keep=1", "--grace_hours=0"],
        "erase": [f"--users={bench.erased}"],
        "preview": [f"--output={bench.folder}/preview.html"],
    }
    target = "run" if name in ("check", "preview", "report") else "output"
    return [name, f"--{target}={output}", *named.get(name, [])]


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a small disk (CalledProcessError: only root can)."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def attack_disk(bench: Bench, seed: int) -> Iterator[tuple[bool, str]]:
    """Run commands on a disk with too little room; yield whether they fail well, and a row of the table."""
    yield True, "command | room | status | said | pointer | again with room | well"
    with small_disk(bench.folder / "disk", 64) as disk:
        before = _used(disk)
        shutil.copytree(bench.base, disk / "out")
        between = _used(disk)
        assert Command(bench.run(disk / "out", "new"), bench.folder).end()[0] == 0
        needed, clean = _used(disk) - between, stated_hashes(disk / "out", "new")
        runs = [("run", share, ()) for share in (0.0, 0.2, 0.5, 0.8, 0.97)] + [("run", 0.5, WORKERS)]
        others = [(name, 0.0, ()) for name in ("erase", "rollback", "report", "preview", "prune", "check", "runs")]
        for name, share, flags in runs + others:
            shutil.rmtree(disk / "out")
            shutil.copytree(bench.base, disk / "out")
            assert _used(disk) - before < 32 << 20
            yield _fill_up(bench, disk, (name, *flags), int(needed * share), clean)


def _used(disk: Path) -> int:
    return shutil.disk_usage(disk).used


def _fill_up(bench: Bench, disk: Path, command: Sequence[str], room: int, clean: dict[str, str]) -> tuple[bool, str]:
    """Run a command where only `room` bytes are free, then with all of the disk."""
    name, *flags = command
    output, ballast = disk / "out", disk / "ballast"
    argv = _argv(bench, output, "run new") if name == "run" else _argv(bench, output, name)
    argv = [one.replace(f"{bench.folder}/preview", f"{disk}/preview") for one in argv] + flags
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - room // 4096 * 4096)
    full = Command(argv, bench.folder)
    status, said = full.end(120)
    faults, pointer, left = list(find_faults(output)), pointed(output), full.left(10)
    ballast.unlink()
    again, said_again = Command(argv, bench.folder).end()
    is_well = status in (0, 1) and is_told(status, said) and again == 0 and not faults and not left
    is_well = is_well and (pointer == "run=d" or name != "run") and not list(find_faults(output))
    if name == "run":
        is_well = is_well and status == 1 and stated_hashes(output, "new") == clean and pointed(output) == "run=new"
    if name == "erase":
        is_well = is_well and not holders(output, ERASED_USER)
    what = f"{' '.join(command)} | {room:,} bytes | {status} | {_said(said)} | {pointer}"
    return is_well, f"{what} | {again} {_said(said_again)} | {'; '.join(faults) or is_well}"


ATTACKS: dict[str, Callable[[Bench, int], Iterator[tuple[bool, str]]]] = {
    "kills": attack_kills,
    "pairs": attack_pairs,
    "disk": attack_disk,
}


def main(argv: Sequence[str]) -> int:
    """Print the tables of the attacks; return 1 if an output or a command was not well after one."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("only", nargs="?", choices=tuple(ATTACKS), help="one kind of attack")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--kills", type=int, default=30, help="number of kills")
    options, lost = parser.parse_args(argv), 0
    _forks.set_forkserver_preload(list(_IMPORTED))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder), options.kills)
        bench.build()
        for name in [options.only] if options.only else ATTACKS:
            rows = -1
            for is_well, row in ATTACKS[name](bench, options.seed):
                print(f"| {row} |", flush=True)
                rows, lost = rows + 1, lost + (not is_well)
            print(f"{name}: {rows} attacks; {lost} not well so far")
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
