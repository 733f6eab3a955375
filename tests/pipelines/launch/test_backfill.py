"""Days one after the other, those that have pages left alone."""

import subprocess
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.options.options import RunOptions
from pipelines.options.parsing import parse_flags
from tests.pipelines.runs.outputs import put_run

DAYS = ("--first_day=2025-12-29", "--last_day=2026-01-02")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[RunOptions]:
    """The runs that are started: none is made, and that of a moment fails."""
    found: list[RunOptions] = []

    def run(command: list[str], env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        assert command[1:4] == ["-m", "pipelines.cli", "run"] and not [
            one for one in env if one.startswith("HOMESHELF_S")
        ]
        options, beam_flags = parse_flags(RunOptions, command[4:])
        assert beam_flags == ["--direct_num_workers=2"]
        found.append(options)
        return subprocess.CompletedProcess(command, 3 if f"{options.as_of:%Y-%m-%d}" == "2025-12-31" else 0)

    monkeypatch.setattr("pipelines.launch.backfill.subprocess.run", run)
    monkeypatch.setenv("HOMESHELF_SEED", "9")
    return found


def backfill(*arguments: str) -> int:
    return main(["backfill", *arguments, "--events=e", "--direct_num_workers=2"])


def test_the_missing_days_of_a_week_are_run_in_order(
    started: list[RunOptions], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = f"{tmp_path}/out put"
    put_run(output, "2025-12-26", "there", current=True)
    put_run(output, "2025-12-27", "gated", gate={"failed": ["pages"]})
    assert backfill("--first_day=2025-12-25", "--last_day=2025-12-29", f"--output={output}", "--seed=1") == 0
    days = [f"{options.as_of:%Y-%m-%d}" for options in started]
    assert days == ["2025-12-26", "2025-12-28", "2025-12-29", "2025-12-30"]
    assert {(one.events, one.output, one.carry_over_from, one.seed) for one in started} == {("e", output, output, 1)}
    assert capsys.readouterr().out == "2025-12-26 has pages\n"


def test_a_day_that_fails_ends_it(started: list[RunOptions], tmp_path: Path) -> None:
    assert (
        backfill(
            "--first_day=2025-12-29", "--last_day=2026-01-02", f"--output={tmp_path}/out", "--carry_over_from=elsewhere"
        )
        == 3
    )
    assert [options.as_of.day for options in started if options.as_of] == [30, 31]
    assert started[0].carry_over_from == "elsewhere" and started[0].seed == 9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output=o"], "--first_day"),
        (["--first_day=2025-12-25", "--output=o"], "--last_day"),
        (["--first_day=2025-12-25", "--last_day=2025-12-31"], "--output"),
        (
            ["--first_day=2025-12-25", "--last_day=2025-12-24", "--output=o"],
            "--first_day=2025-12-25 is after --last_day=2025-12-24",
        ),
        (["--first_day=2025-12-25", "--last_day=yesterday", "--output=o"], "'yesterday' is no day such as"),
        (
            [*DAYS, "--output=o", "--as_of=2026-01-01"],
            "each day has its own",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_said(
    arguments: list[str], said: str, started: list[RunOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert backfill(*arguments) == 2 and not started
    assert said in capsys.readouterr().err
