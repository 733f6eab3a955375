"""The crontab; and templates/backfill.sh: days one after the other, those that have pages left alone."""

import os
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pipelines.options.options import RunOptions
from pipelines.options.parsing import parse_flags
from tests.pipelines.runs.outputs import put_run

TEMPLATES = Path(__file__).parents[2] / "templates"
BACKFILL = TEMPLATES / "backfill.sh"
# Lists runs as it is; a run is written down, not made, and that of a moment fails.
STAND_IN = """#!/bin/sh
[ "$1" = runs ] && exec {python} -m pipelines.cli "$@"
echo "$@" >> {calls}
case "$*" in *--as_of=2025-12-31*) exit 3;; esac
"""


@pytest.fixture
def homeshelf(tmp_path: Path) -> Path:
    script = tmp_path / "homeshelf"
    script.write_text(STAND_IN.format(python=sys.executable, calls=tmp_path / "calls"))
    script.chmod(0o755)
    return script


def backfill(homeshelf: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "HOMESHELF": str(homeshelf)}
    return subprocess.run([BACKFILL, *arguments], capture_output=True, text=True, env=environment)


def called(homeshelf: Path) -> list[str]:
    calls = homeshelf.parent / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


def test_the_missing_days_of_a_week_are_run_in_order(homeshelf: Path, tmp_path: Path) -> None:
    output = f"{tmp_path}/out put"
    put_run(output, "2025-12-26", "there", current=True)
    put_run(output, "2025-12-27", "gated", gate={"failed": ["pages"]})
    done = backfill(homeshelf, "2025-12-25", "2025-12-29", "--events=e", f"--output={output}")
    assert done.returncode == 0, done.stderr
    moments = ("2025-12-26", "2025-12-28", "2025-12-29", "2025-12-30")
    assert called(homeshelf) == [
        f"run --carry_over_from={output} --events=e --output={output} --as_of={moment}" for moment in moments
    ]
    assert done.stdout == "2025-12-26 has pages\n"


def test_a_day_that_fails_ends_it(homeshelf: Path, tmp_path: Path) -> None:
    done = backfill(homeshelf, "2025-12-29", "2026-01-02", f"--output={tmp_path}/out")
    assert done.returncode == 3
    assert [call.rsplit("=", 1)[1] for call in called(homeshelf)] == ["2025-12-30", "2025-12-31"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "the first day"), (["2025-12-25"], "the last day"), (["2025-12-25", "2025-12-31"], "--output")],
)
def test_what_is_missing_is_said(homeshelf: Path, arguments: list[str], said: str) -> None:
    done = backfill(homeshelf, *arguments)
    assert done.returncode != 0 and said in done.stderr and not called(homeshelf)


def test_the_crontab_runs_the_day_that_begins(tmp_path: Path) -> None:
    lines = [line for line in (TEMPLATES / "cron" / "home_shelves").read_text().splitlines() if line[:1] != "#"]
    assert lines[0] == "CRON_TZ=UTC" and len(lines) == 2
    found = re.fullmatch(r"(?:\S+ ){5}(.+)", lines[1])
    assert found and not re.search(r"(?<!\\)%", found[1]), "cron ends a command at a bare %"
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    script = tmp_path / ".venv" / "bin" / "homeshelf"
    script.write_text('#!/bin/sh\nfor flag in "$@"; do echo "$flag"; done\n')
    script.chmod(0o755)
    command = found[1].replace("\\%", "%").replace("/srv/homeshelf", str(tmp_path)).replace("/var/log", str(tmp_path))
    before = datetime.now(timezone.utc).date()
    subprocess.run(["sh", "-c", command], check=True)
    command_name, *flags = (tmp_path / "homeshelf.log").read_text().splitlines()
    options, rest = parse_flags(RunOptions, flags)
    assert command_name == "run" and rest == [] and options.as_of is not None
    assert before <= options.as_of.date() <= datetime.now(timezone.utc).date()
    assert options.as_of.time() == datetime.min.time(), "a midnight"
