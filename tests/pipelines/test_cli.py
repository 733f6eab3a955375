"""Mistakes of users: one line, exit status 2, and no work done."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from pipelines.command import Command
from pipelines.options.options import UsageError
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
        ("--evnets=x", ["unknown flag --evnets=x"]),
        ("--shelf_size=0", ["--shelf_size", "'0'"]),
        ("--as_of=yesterday", ["--as_of", "'yesterday'"]),
        ("--max_rejected_fraction=1.5", ["--max_rejected_fraction", "'1.5'"]),
        ("--events_columns=played:timestamp", ["--events_columns", "unknown column 'played'", "played_at"]),
        ("--events_columns=played_at=timestamp", ["--events_columns", "ours:theirs"]),
        ("--events_columns=played_at:when", ["no column 'when'", "events.parquet", "timestamp"]),
        ("--events_columns=ms_played:seconds*many", ["--events_columns", "ours:theirs*factor"]),
        ("--tracks=/nowhere", ["--tracks=/nowhere", "no Parquet file"]),
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
    assert "'runn'" in refused(capsys, ["runn"])


def test_a_missing_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.DataFrame({"user_id": ["u"], "track_id": ["t"], "ts": [1]}).write_parquet(tmp_path / "events.parquet")
    line = refused(capsys, flags(tmp_path / "events.parquet", tmp_path))
    assert all(word in line for word in ["events.parquet", "'played_at'", "ts", "--events_columns=played_at:"]), line


def test_a_column_of_another_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = {"user_id": [1], "track_id": ["t"], "played_at": ["2026-01-01"]}
    pl.DataFrame(bad).write_parquet(tmp_path / "events.parquet")
    line = refused(capsys, flags(tmp_path / "events.parquet", tmp_path))
    assert all(word in line for word in ["events.parquet", "'user_id'", "int64", "string"]), line


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
    assert "homeshelf run" in usage and "homeshelf sample" in usage


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
    def fail(argv: Sequence[str]) -> int:
        raise error

    monkeypatch.setattr(Command, "load", lambda self: fail)
    assert main(["run"]) == status and capsys.readouterr().err == f"{line}\n"


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(argv: Sequence[str]) -> int:
        raise ValueError("a bug")

    monkeypatch.setattr(Command, "load", lambda self: fail)
    with pytest.raises(ValueError, match="a bug"):
        main(["run"])
