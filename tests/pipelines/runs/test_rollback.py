"""homeshelf rollback: from any state of a day, to any whole run of it, and nowhere else."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import main
from pipelines.inputs.run_folders import list_run_folders
from tests.pipelines.runs.outputs import names, point, put_run
from transforms.tables.files import remove_files

DAY, BEFORE = "2026-01-02", "2026-01-01"


@pytest.fixture
def output(tmp_path: Path) -> str:
    """Return a day with a run of every state, and the day before."""
    output = str(tmp_path / "out")
    features: dict[str, Any] = {"tables": {"features": {"rows": 1, "files": []}}}
    put_run(output, BEFORE, "a", current=True)
    put_run(output, DAY, "a", minute=1)
    put_run(output, DAY, "gated", minute=2, gate={"failed": ["pages"]})
    put_run(output, DAY, "trained", minute=3, **features)
    broken = put_run(output, DAY, "broken", minute=4)
    remove_files([f"{broken}/pages/part-0.parquet"])
    dead = put_run(output, DAY, "dead", minute=5)
    remove_files([f"{dead}/manifest.json"])
    put_run(output, DAY, "b", minute=6, current=True)
    return output


def pointers(output: str) -> dict[str, str]:
    return dict(list_run_folders(output).pointers)


@pytest.mark.parametrize("now", ["b", "broken", "gated", "dead", "gone", "trained"])
def test_it_goes_to_the_whole_run_before(output: str, now: str, capsys: pytest.CaptureFixture[str]) -> None:
    point(output, DAY, now)
    assert main(["rollback", f"--output={output}"]) == 0
    assert pointers(output) == {BEFORE: "run=a", DAY: "run=b" if now in ("gone", "dead") else "run=a"}
    assert ("undo: " in capsys.readouterr().out) == (now in ("b", "gated"))


@pytest.mark.parametrize("chosen", ["a", "b", "gated"])
@pytest.mark.parametrize("now", ["b", "gone", "../x", ""])
def test_it_goes_to_any_run_with_pages(output: str, now: str, chosen: str) -> None:
    point(output, DAY, now)
    if not now:
        remove_files([f"{output}/ds={DAY}/CURRENT"])
    for name in (f"run={chosen}", chosen):
        assert main(["rollback", f"--output={output}", f"--day={DAY}", f"--to={name}"]) == 0
        assert pointers(output) == {BEFORE: "run=a", DAY: f"run={chosen}"}


@pytest.mark.parametrize("chosen", ["trained", "broken", "dead", "gone"])
def test_it_never_goes_to_a_run_without_pages(output: str, chosen: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = names(output)
    assert main(["rollback", f"--output={output}", f"--day={DAY}", f"--to={chosen}"]) == 2
    assert f"--to={chosen}" in capsys.readouterr().err
    assert names(output) == before and pointers(output)[DAY] == "run=b"


def test_a_second_attempt_changes_nothing(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    for run, then in (("b", "run=a"), ("a", None)):
        for _ in range(3):
            assert main(["rollback", f"--output={output}", f"--from=run={run}"]) == 0
            assert pointers(output) == {BEFORE: "run=a", **({DAY: then} if then else {})}
    assert "nothing to do" in capsys.readouterr().out


def test_the_undo_that_is_printed_undoes(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        before = pointers(output)
        assert main(["rollback", f"--output={output}", f"--day={DAY}"]) == 0
        (undo,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("undo: homeshelf ")]
        assert pointers(output) != before
        assert main(undo.removeprefix("undo: homeshelf ").split()) == 0 and pointers(output) == before
        main(["rollback", f"--output={output}", f"--day={DAY}"])
        capsys.readouterr()


def test_a_day_without_a_pointer_says_what_it_has(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    remove_files([f"{output}/ds={DAY}/CURRENT"])
    assert {run.state for run in list_run_folders(output).runs if run.day == DAY and run.name == "run=a"} == {
        "withdrawn"
    }
    assert main(["rollback", f"--output={output}", f"--day={DAY}"]) == 2
    assert "run=a, run=gated, run=b" in capsys.readouterr().err
