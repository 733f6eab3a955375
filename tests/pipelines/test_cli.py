"""Mistakes of users: one line, exit status 2, and no work done."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from pipelines.command import Command
from pipelines.commands import COMMANDS
from pipelines.options.flag_kinds import parse_day, parse_positive, parse_time
from pipelines.options.options import UsageError
from pipelines.options.parsing import parse_flags
from transforms.publishing.gates import GateFailedError
from transforms.tables.failures import DiskFullError


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.parquet"
    played_at = pl.datetime(2026, 1, 1, time_zone="UTC")
    pl.select(user_id=pl.lit("u"), track_id=pl.lit("t"), played_at=played_at).write_parquet(path)
    return path


def flags(events: Path, tmp_path: Path, *more: str) -> list[str]:
    return ["run", f"--events={events}", f"--output={tmp_path}/out", *more]


def refused(capsys: pytest.CaptureFixture[str], argv: list[str]) -> str:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("homeshelf: error: ") and err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--evnets=x", ["unknown flag --evnets=x (is --events meant?)"]),
        ("--shelf-size=0", ["--shelf_size", "'0'"]),
        ("--shelf_size=0", ["--shelf_size", "'0'"]),
        ("--as_of=yesterday", ["--as_of", "'yesterday'"]),
        ("--max_rejected_fraction=1.5", ["--max_rejected_fraction", "'1.5'"]),
        ("--events_columns=played:timestamp", ["--events_columns", "unknown column 'played'", "played_at"]),
        ("--events_columns=played_at=timestamp", ["--events_columns", "ours:theirs"]),
        ("--events_columns=played_at:when", ["no column 'when'", "events.parquet", "timestamp"]),
        ("--events_columns=ms_played:seconds*many", ["--events_columns", "ours:theirs*factor"]),
        ("--tracks=/nowhere", ["--tracks=/nowhere", "no Parquet, CSV or JSON Lines file"]),
        ("--template_location=gs://bucket/template", ["--as_of"]),
        ("--rules=/nowhere", ["--rules=/nowhere"]),
        ("--surfaces=car", ["--surfaces", "'car'", "discover"]),
        ("--exploration=2", ["--exploration", "'2'"]),
        ("--gate=maybe", ["--gate", "'maybe'"]),
        ("--limits=coverage", ["--limits", "name:bound"]),
        ("--limits=colour:1", ["--limits", "'colour'", "coverage"]),
        ("--mode=quick", ["--mode", "'quick'"]),
        ("--mode=score", ["--mode=score needs --ranker"]),
        ("--ranker=/nowhere", ["--ranker=/nowhere", "no artifact"]),
    ],
)
def test_a_wrong_flag(
    flag: str, words: list[str], events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, flags(events, tmp_path, flag))
    assert all(word in line for word in words), line
    assert not (tmp_path / "out").exists()


def test_broken_rules_are_one_line_with_its_number(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rules.yaml").write_text("rules:\n  - pin:\n      shelf: frehs\n      position: 1\n")
    line = refused(capsys, flags(events, tmp_path, f"--rules={tmp_path}/rules.yaml"))
    assert f"--rules: {tmp_path}/rules.yaml line 3: there is no shelf 'frehs'" in line


def test_an_output_that_cannot_be_written(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, ["run", f"--events={events}", f"--output={events}/out"])
    assert f"--output={events}/out" in line and "Not a directory" in line


def test_a_missing_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--output" in refused(capsys, ["run", "--events=x"])


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert 'Unknown command "runn". Did you mean "run"?' in refused(capsys, ["runn"])


def test_a_missing_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.DataFrame({"user_id": ["u"], "track_id": ["t"], "ts": [1]}).write_parquet(tmp_path / "events.parquet")
    line = refused(capsys, flags(tmp_path / "events.parquet", tmp_path))
    assert all(word in line for word in ["events.parquet", "'played_at'", "ts", "--events_columns=played_at:"]), line


def test_a_column_of_another_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = {"user_id": [[1]], "track_id": ["t"], "played_at": ["2026-01-01"]}
    pl.DataFrame(bad).write_parquet(tmp_path / "events.parquet")
    line = refused(capsys, flags(tmp_path / "events.parquet", tmp_path))
    assert all(word in line for word in ["events.parquet", "'user_id'", "list", "string"]), line


@pytest.mark.parametrize("content", [b"", b"user_id,track_id\n", "half"])
def test_an_unreadable_file(
    content: bytes | str, events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = events.read_bytes()
    (tmp_path / "broken.parquet").write_bytes(whole[: len(whole) // 2] if isinstance(content, str) else content)
    line = refused(capsys, flags(tmp_path / "*.parquet", tmp_path))
    assert "broken.parquet" in line and "not a readable Parquet file" in line


def test_a_newest_event_that_has_not_come_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    played_at = pl.datetime(2999, 1, 1, time_zone="UTC")
    pl.select(user_id=pl.lit("u"), track_id=pl.lit("t"), played_at=played_at).write_parquet(tmp_path / "e.parquet")
    line = refused(capsys, flags(tmp_path / "e.parquet", tmp_path))
    assert "2999-01-01" in line and "--as_of" in line


def test_the_console_script_reports_it_too() -> None:
    found = subprocess.run([sys.executable, "-m", "pipelines.cli", "run"], capture_output=True, text=True)
    assert found.returncode == 2 and found.stderr.startswith("homeshelf: error: ")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    usage = capsys.readouterr().out
    assert " run " in usage and " sample " in usage


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UsageError("no such run"), 2, "homeshelf: error: no such run"),
        (GateFailedError("auc is 0.4, at least 0.5"), 3, "homeshelf: failed: auc is 0.4, at least 0.5"),
        (RuntimeError(f"of a worker: {DiskFullError('no space')} [while running]"), 1, "homeshelf: failed: no space"),
        (KeyboardInterrupt(), 130, "homeshelf: interrupted"),
    ],
    ids=["usage", "gate", "from a worker", "interrupted"],
)
def test_an_error_has_one_line_and_an_exit_status(
    error: BaseException, status: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: object, beam_flags: Sequence[str]) -> int:
        raise error

    monkeypatch.setattr(Command, "load", lambda self: fail)
    assert main(["runs", "--output=o"]) == status and capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a bug"), "ValueError: a bug; this is a bug of homeshelf"),
        (KeyError("a\nb"), "KeyError: 'a\\nb'; this is a bug"),
        (ValueError("\x1b[31ma\nb\u2028\x07" + "x" * 5_000), "ValueError: [31ma; this is a bug"),
        (OSError(30, "Read-only file system", "/out"), "OSError: [Errno 30] Read-only file system: '/out'"),
        (
            RuntimeError("Traceback:\n  x\nOSError: [Errno 28] No space left\n"),
            "OSError: [Errno 28] No space left",
        ),
    ],
    ids=["bug", "two lines", "hostile", "read-only", "of a worker"],
)
def test_an_unforeseen_error_is_one_line_and_its_traceback_in_the_log(
    error: Exception,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    # benchmarks raise it
    caplog.set_level(logging.WARNING)

    def fail(options: object, beam_flags: Sequence[str]) -> int:
        assert beam_flags == ["--region=x"]
        logging.getLogger("apache_beam").warning("said by a library")
        raise error

    monkeypatch.setattr(Command, "load", lambda self: fail)
    assert main(["runs", "--output=o", "--region=x"]) == 1
    quiet = capsys.readouterr().err
    assert quiet.startswith(f"homeshelf: failed: {line}") and quiet.count("\n") == 1 and len(quiet) < 2_100
    assert quiet[:-1].isprintable() and ("bug" in quiet) == ("Errno" not in line)
    assert (
        main(["runs", "--output=o", f"--log_file={tmp_path}/log", "--region=x"]) == 1
        and capsys.readouterr().err == quiet
    )
    assert main(["runs", "--output=o", "-v", "--region=x"]) == 1
    for told in (capsys.readouterr().err, (tmp_path / "log").read_text()):
        assert "Traceback (most recent call last)" in told and "said by a library" in told


def test_a_log_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--log_file" in refused(capsys, ["runs", f"--output={tmp_path}", f"--log_file={tmp_path}/no/log"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_flag_that_must_be_given_is_not_empty(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    required = [one for one in fields(command.options) if one.default is MISSING and "positional" not in one.metadata]
    places = [one.name for one in fields(command.options) if "positional" in one.metadata]
    values = {parse_day: "2026-01-01", parse_time: "2026-01-01", parse_positive: "1"}
    given = {one.name: values.get(one.metadata["kind"], "user_id") for one in required}
    for name in given:
        flags = [f"--{other}={value}" for other, value in {**given, name: " "}.items()]
        with pytest.raises(UsageError, match=f"--{name}: it is empty"):
            parse_flags(command.options, [*places, *flags])


@pytest.mark.parametrize("target", ["/dev/full", "closed pipe"])
def test_output_that_takes_nothing_ends_a_command_in_one_line(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "runs", f"--output={tmp_path}"]
    if target == "closed pipe":
        end, out = os.pipe()
        os.close(end)
    else:
        out = os.open(target, os.O_WRONLY)
    found = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True)
    os.close(out)
    assert found.returncode == 1 and found.stderr.startswith("homeshelf: failed: ") and found.stderr.count("\n") == 1


def test_where_only_ascii_is_known_all_is_said(tmp_path: Path) -> None:
    env = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "pipelines.cli", "runs", f"--output={tmp_path}/Sigur Rós"]
    found = subprocess.run(command, capture_output=True, text=True, env=env)
    assert found.returncode == 0 and "Sigur R\\xf3s" in found.stdout and found.stderr == ""
