"""Whatever is damaged below an output: every command ends with a documented status, and other runs stay as they are."""

import os
import random
import shutil
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.commands import COMMANDS
from pipelines.inputs.run_folders import list_run_folders
from pipelines.options.parsing import parse_flags
from tests.pipelines.runs.damages import damage_one
from tests.pipelines.runs.outputs import put_run
from tests.runs import Published
from transforms.tables.failures import HomeshelfError

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


@pytest.fixture(scope="module")
def ids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ids") / "ids.parquet"
    pl.DataFrame({"user_id": ["nobody"]}).write_parquet(path)
    return path


def status_of(argv: list[str]) -> int:
    """Run a command and return its status; an error that is no documented one is raised."""
    (command,) = [one for one in COMMANDS if one.name == argv[0]]
    try:
        options, _ = parse_flags(command.options, argv[1:])
        return command.load()(options, *([[]] if command.takes_beam_flags else []))
    except HomeshelfError as error:
        return error.exit_status


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory, ids: Path) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    for day in DAYS:
        for minute, run in enumerate("ab"):
            made = put_run(str(folder), day, run, minute=minute, current=run == "b")
            shutil.copy(ids, f"{made}/pages/part-0.parquet")
    return folder


def copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=os.link)


@settings(max_examples=8)
@given(seed=st.integers(0, 2**40))
def test_one_damaged_file_of_a_day_stops_no_command_and_harms_no_other_day(
    seed: int, tmp_path_factory: pytest.TempPathFactory, ids: Path, three_days: Path
) -> None:
    output, rng = tmp_path_factory.getbasetemp() / "damaged", random.Random(seed)
    for command in (["runs"], ["prune", "--keep=9"], ["rollback"], ["erase", f"--erased_users={ids}"]):
        copy(three_days, output)
        day = rng.choice(DAYS)
        others = {other: contents(output / f"ds={other}") for other in DAYS if other != day}
        done = damage_one(output / f"ds={day}", rng)
        status = status_of([command[0], f"--output={output}", *command[1:]])
        assert status in (0, 1, 2), done
        # the newest day is rolled back, and it alone; erase has another hash of the same rows to state
        is_own = command[0] in ("rollback", "erase")
        for other, before in others.items():
            assert is_own or contents(output / f"ds={other}") == before, (done, command)
        found = list_run_folders(str(output))
        whole = {(run.day, run.name) for run in found.runs if run.has_pages}
        assert {(other, run) for other in others for run in ("run=a", "run=b")} <= whole, (done, command)
        if command[0] == "rollback" and day != DAYS[-1]:
            assert found.pointers[DAYS[-1]] == "run=a" and found.pointers.get(DAYS[0]) != "run=a", done


LOOKING = {
    "report": [],
    "check": [],
    "preview": [],
    "why": ["--user={user}"],
    "signal": ["--table={table}", "--key=user_id", "--num_threads=1"],
}


@pytest.mark.parametrize("command", LOOKING)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**40))
def test_a_damaged_run_is_one_line(
    command: str, seed: int, published: Published, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base, rng = tmp_path_factory.getbasetemp(), random.Random(seed)
    output = base / "looked at"
    copy(published.pointer.parents[1], output)
    user = published.table("pages")["user_id"][0]
    pl.DataFrame({"user_id": [user], "value": [1.0]}).write_parquet(base / "signal.parquet")
    done = damage_one(output, rng)
    flags = [one.format(user=user, table=base / "signal.parquet") for one in LOOKING[command]]
    flags += [f"--file={base}/{command}.html"] if command in ("preview", "report") else []
    assert status_of([command, f"--run={output}", *flags]) in (0, 1, 2, 3, 4), done
