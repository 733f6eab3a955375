"""What a run says of itself, and what other commands conclude from it."""

import json
import os
import subprocess
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest

from pipelines.cli import main
from pipelines.inputs import announcements
from pipelines.inputs.announcements import Announcement, announce_run, beating, is_at_work, read_announcement
from pipelines.inputs.plan import RunPlan
from pipelines.inputs.run_folders import RunFolder, RunListing, list_run_folders
from pipelines.options.options import UsageError
from tests.pipelines.runs.outputs import names, put_run
from transforms.tables.files import write_atomically

HOUR = 3600.0


def machine() -> str:
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"


def started(**changed: Any) -> dict[str, Any]:
    here = {"machine": machine(), "pid": os.getpid(), "born": psutil.Process().create_time()}
    return {"started_at": "2026-01-01T00:00:00+00:00", "host": "h", **here, **changed}


def attempt(output: Path, said: dict[str, Any] | None, *, hours: float = 0.0) -> RunFolder:
    folder = output / "ds=2026-01-01" / "run=x"
    write_atomically(f"{folder}/pages/part-0.parquet", b"half")
    if said is not None:
        write_atomically(f"{folder}/started.json", json.dumps(said).encode())
    for file in folder.rglob("*.*"):
        os.utime(file, (time.time() - hours * HOUR,) * 2)
    (run,) = [run for run in list_run_folders(str(output)).runs if run.name == "run=x"]
    return run


def pid_of_nobody() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("changed", "hours", "expected"),
    [
        ({}, 900, True),
        ({"born": 1.0}, 0, False),
        ({"pid": pid_of_nobody()}, 0, False),
        ({"ended_at": "2026-01-01T01:00:00+00:00"}, 0, False),
        ({"machine": "other"}, 40, True),
        ({"machine": "other"}, 50, False),
        ({"machine": "other", "beats": 1}, 0.4, True),
        ({"machine": "other", "beats": 1}, 0.6, False),
        ({"machine": "", "pid": pid_of_nobody()}, 40, True),
        ({"machine": "", "pid": pid_of_nobody()}, 50, False),
        ({"pid": "no number"}, 40, True),
        (None, 40, True),
        (None, 50, False),
    ],
)
def test_a_run_is_at_work_if_its_process_is(
    changed: dict[str, Any] | None, hours: float, expected: bool, tmp_path: Path
) -> None:
    run = attempt(tmp_path, None if changed is None else started(**changed), hours=hours)
    assert is_at_work(run, time.time() - 48 * HOUR) == expected


PLAN = RunPlan(Mock(), *[None] * 3, as_of=Mock(), folder="", **dict.fromkeys(["erase", "impressions"]))


@pytest.mark.parametrize(
    ("changed", "hours", "refusal"),
    [
        (
            {"pid": psutil.Process().ppid(), "born": psutil.Process(psutil.Process().ppid()).create_time()},
            900,
            "at work",
        ),
        ({"pid": pid_of_nobody()}, 0, ""),
        ({"machine": "", "pid": pid_of_nobody()}, 0.4, "at work"),
        ({"machine": "", "pid": pid_of_nobody()}, 0.6, ""),
    ],
)
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_second_attempt_begins_when_the_first_has_ended(
    changed: dict[str, Any], hours: float, refusal: str, goes_on: bool, tmp_path: Path
) -> None:
    first = attempt(tmp_path, started(**changed), hours=hours)
    plan = replace(PLAN, folder=first.path)
    if refusal:
        with pytest.raises(UsageError, match=refusal):
            announce_run(plan, goes_on=goes_on)
    else:
        announce_run(plan, goes_on=goes_on)
    ((found, left),) = [(read_announcement(run), run.files) for run in list_run_folders(str(tmp_path)).runs]
    assert found is not None and (found.pid == os.getpid()) == (not refusal) and len(left) == 1 + bool(refusal)
    assert refusal or bool(found.machine) != goes_on


@pytest.mark.parametrize("has_attempt", [False, True])
def test_of_two_starts_in_the_same_moment_one_is_refused(
    has_attempt: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_attempt:
        attempt(tmp_path, started(pid=pid_of_nobody()))
    forks = get_context("fork")
    moment, is_over, statuses = forks.Barrier(2), forks.Event(), forks.SimpleQueue()

    def list_slowly(output: str) -> RunListing:
        found = list_run_folders(output)
        time.sleep(0.2)
        return found

    def start() -> None:
        moment.wait()
        try:
            announce_run(replace(PLAN, folder=f"{tmp_path}/ds=2026-01-01/run=x"), goes_on=False)
        except UsageError as error:
            statuses.put(str(error))
        else:
            statuses.put("")
        is_over.wait()

    monkeypatch.setattr(announcements, "list_run_folders", list_slowly)
    processes = [forks.Process(target=start) for _ in range(2)]
    for process in processes:
        process.start()
    first, second = sorted(statuses.get() for _ in processes)
    is_over.set()
    for process in processes:
        process.join()
    assert not first and "is at work since" in second


def test_the_tables_of_a_run_that_was_published_meanwhile_stay(tmp_path: Path) -> None:
    folder = put_run(str(tmp_path), "2026-01-01", "x", current=True)
    before = names(str(tmp_path))
    with pytest.raises(UsageError, match="published"):
        announce_run(replace(PLAN, folder=folder), goes_on=False)
    assert names(str(tmp_path)) == before


def test_prune_keeps_what_a_run_at_work_borrows(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        put_run(str(tmp_path), f"2026-01-0{number}", "daily", current=True)
    borrowed = f"{tmp_path}/ds=2026-01-02/run=daily/models/m"
    attempt(tmp_path, started(borrowed=[borrowed], inputs=[]))
    assert main(["prune", f"--output={tmp_path}", "--keep=1", "--grace_hours=0"]) == 0
    left = {(run.day, run.name) for run in list_run_folders(str(tmp_path)).runs}
    assert left == {("2026-01-01", "run=x"), ("2026-01-02", "run=daily"), ("2026-01-03", "run=daily")}


def test_a_block_that_fails_says_that_it_ended(tmp_path: Path) -> None:
    run = attempt(tmp_path, started())
    with beating(run.path):
        while (found := read_announcement(run)) is None or not found.beats:
            time.sleep(0.01)
    assert isinstance(found, Announcement) and not found.ended_at
    with pytest.raises(KeyboardInterrupt), beating(run.path):
        raise KeyboardInterrupt
    ended = read_announcement(run)
    assert ended is not None and ended.ended_at and not is_at_work(run, 0.0)
    assert names(str(tmp_path)) == {f"ds=2026-01-01/run=x/{name}" for name in ("pages/part-0.parquet", "started.json")}
