"""started.json: what a run says of itself before it reads, so that other commands leave alone what it needs."""

import fcntl
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
from apache_beam.io.filesystems import FileSystems

from pipelines.inputs.plan import RunPlan
from pipelines.inputs.run_folders import RunFolder, list_run_folders
from pipelines.options.clock import utc_now
from pipelines.options.options import UsageError
from transforms.publishing.json_records import Time, read_record
from transforms.publishing.run_paths import STARTED_FILE, DamagedFileError
from transforms.tables.artifacts import is_remote
from transforms.tables.files import list_files, read_bytes, remove_folder, write_atomically

_SECONDS_PER_BEAT, _SECONDS_OF_SILENCE = 60.0, 1800.0
_TABLES = re.compile(r"pages|candidates|candidate_features|rejected|features(_\d+)?|holdout")


@dataclass(frozen=True)
class Announcement:
    """Contents of started.json.

    machine, pid, born: the process that started the run, comparable within one machine or container; machine is empty
    if the run may outlive the process. inputs: paths of the input tables. borrowed: artifacts and pages of other runs.
    beats: the process writes the file anew each minute. ended_at: when the run failed; empty: it is at work, was
    published, or was killed.
    """

    started_at: Time
    host: str
    machine: str
    pid: int
    born: float
    inputs: tuple[str, ...] = ()
    borrowed: tuple[str, ...] = ()
    beats: int = 0
    ended_at: Time = ""


def announce_run(run: RunPlan, *, goes_on: bool) -> None:
    """Write started.json, and remove the tables of an earlier attempt with the same run ID.

    goes_on: the run may outlive this process, as a job of a service does.

    Raises:
        UsageError: that attempt is still at work, or was published.
    """
    tables = (run.events, run.tracks, run.users, run.erase, run.impressions)
    announcement = Announcement(
        started_at=utc_now(),
        host=socket.gethostname(),
        machine="" if goes_on else _machine(),
        pid=os.getpid(),
        born=psutil.Process().create_time(),
        inputs=tuple(sorted({group.path for table in tables if table for group in table.row_groups})),
        borrowed=(
            *(path for path in (run.ranker, run.embeddings) if path),
            *(group.path for pages in run.carry_over.values() for group in pages.row_groups),
        ),
    )
    with _one_at_a_time(run.folder):
        _clear_attempt(run.folder)
        _write(run.folder, announcement)
    for path in announcement.borrowed:
        # from now on a prune keeps it; one may have deleted it a moment ago
        if not FileSystems.exists(path) and not list_files(path):
            raise UsageError(f"{path} was deleted in the meantime")


@contextmanager
def _one_at_a_time(folder: str) -> Iterator[None]:
    """Make other processes that come here with the same folder wait; object stores, and some disks, have no locks."""
    if is_remote(folder):
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _clear_attempt(folder: str) -> None:
    """Remove the tables of an earlier attempt in a run's folder (UsageError: see announce_run())."""
    output, day, name = folder.rsplit("/", 2)
    for other in list_run_folders(output).runs:
        if (f"ds={other.day}", other.name) == (day, name):
            _check_ended(other)
            for below in {file.path.removeprefix(f"{other.path}/").partition("/")[0] for file in other.files}:
                if _TABLES.fullmatch(below):
                    remove_folder(f"{other.path}/{below}")


def _check_ended(attempt: RunFolder) -> None:
    """Check that an attempt left no run, and is none at work (UsageError); another may have published a moment ago."""
    if attempt.state != "unfinished":
        raise UsageError(f"--run_id: {attempt.path} is a published run")
    found = read_announcement(attempt)
    is_own = found is not None and (found.machine, found.pid) == (_machine(), os.getpid())
    if found is not None and not is_own and is_at_work(attempt, time.time() - _SECONDS_OF_SILENCE):
        raise UsageError(
            f"--run_id: {attempt.path} is at work since {found.started_at}, in process {found.pid} on {found.host}"
        )


@contextmanager
def beating(folder: str) -> Iterator[Callable[[], None]]:
    """Say each minute that the run in a folder is at work; if the block fails, say that it ended.

    Yields a function that says so where nothing is raised, as a signal ends the process.
    """
    announcement = replace(_read(folder), beats=1)
    is_over = threading.Event()

    def beat() -> None:
        while True:
            # a full disk stops the run, and not the beat
            with suppress(OSError):
                _write(folder, announcement)
            if is_over.wait(_SECONDS_PER_BEAT):
                return

    def say_ended() -> None:
        with suppress(OSError):
            _write(folder, replace(announcement, ended_at=utc_now()))

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield say_ended
    except BaseException:
        is_over.set()
        thread.join()
        say_ended()
        raise
    is_over.set()
    thread.join()


def read_announcement(run: RunFolder) -> Announcement | None:
    """Return what a run said of itself; None: it said nothing, or the file is damaged."""
    try:
        return _read(run.path)
    except (DamagedFileError, OSError, ValueError, RecursionError):
        return None


def is_at_work(run: RunFolder, before: float) -> bool:
    """Return whether an unfinished run may still publish.

    before: seconds since 1970; a run of another machine that does not say that it is at work is dead if nothing of it
    was written since then.
    """
    if run.state != "unfinished":
        return False
    found = read_announcement(run)
    if found is not None and found.ended_at:
        return False
    if found is not None and found.machine == _machine():
        return _is_alive(found)
    if found is not None and found.beats:
        beats = [file.modified for file in run.files if file.path == f"{run.path}/{STARTED_FILE}"]
        return max(beats, default=0.0) > time.time() - _SECONDS_OF_SILENCE
    return run.last_written >= before


def borrowed_paths(run: RunFolder, before: float) -> tuple[str, ...]:
    """Return the paths that a run at work, or a damaged one, reads from other runs."""
    found = read_announcement(run) if run.damage or is_at_work(run, before) else None
    return found.borrowed if found else ()


def _read(folder: str) -> Announcement:
    return read_record(Announcement, json.loads(read_bytes(f"{folder}/{STARTED_FILE}")))


def _write(folder: str, announcement: Announcement) -> None:
    write_atomically(f"{folder}/{STARTED_FILE}", json.dumps(asdict(announcement), indent=1).encode())


def _is_alive(found: Announcement) -> bool:
    try:
        return abs(psutil.Process(found.pid).create_time() - found.born) < 2
    except psutil.Error:
        return False


def _machine() -> str:
    """Return what tells apart the machines and containers in which a number means the same process."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()
