"""The crontab, and templates/backfill.sh."""

import os
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from pipelines.options.options import RunOptions
from pipelines.options.parsing import parse_flags

TEMPLATES = Path(__file__).parents[2] / "templates"
BACKFILL = TEMPLATES / "backfill.sh"


def test_the_script_calls_the_command() -> None:
    environment = {**os.environ, "HOMESHELF": "echo"}
    done = subprocess.run([BACKFILL, "--output=a b", "x"], capture_output=True, text=True, env=environment)
    assert done.stdout == "backfill --output=a b x\n"


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
    assert flags.pop(0) == "--config=homeshelf.yaml"
    options, rest = parse_flags(RunOptions, [*flags, "--events=e", "--output=o"])
    assert command_name == "run" and rest == [] and options.as_of is not None
    assert before <= options.as_of.date() <= datetime.now(timezone.utc).date()
    assert options.as_of.time() == datetime.min.time(), "a midnight"
