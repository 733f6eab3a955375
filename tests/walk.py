"""Record the first ten minutes with three kinds of data: make walk writes docs/tutorials/ten-minutes.md.

Each walk starts in an empty folder. What stands on the page is what the commands printed, as it is.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorials" / "ten-minutes.md"
SHARED = ROOT.parent / "shared"
LISTENING = "../shared/data/30music_sample/events.parquet"
_COLUMNS = 110
_SAMPLE = ("homeshelf sample --output=data --num_users=400 --num_tracks=2000",)
_HEAD = """# The first ten minutes

Three walks from an empty folder to pages to look at: with the [sample world](#the-sample-world), with a
[real listening log](#a-real-listening-log), and with a [CSV of numbers](#a-csv-of-numbers). Commands and output are as
they were, on a terminal {columns} columns wide; `make walk` records this page again.
"""


@dataclass(frozen=True)
class Walk:
    """A walk: its heading and text, what lies in the folder at its start, the flags of init, and a user to explain."""

    heading: str
    text: str
    prepare: Callable[[Path], None]
    before: tuple[str, ...]
    tables: str
    user: str

    def commands(self) -> tuple[str, ...]:
        """Return the command lines in their order."""
        return (
            *self.before,
            f"homeshelf init {self.tables}",
            "cat homeshelf.yaml",
            "homeshelf validate --config=homeshelf.yaml",
            "homeshelf run --config=homeshelf.yaml > stages.jsonl 2> progress.txt",
            "tail -7 progress.txt",
            "homeshelf check --run=out/home",
            f"homeshelf why --run=out/home --user={self.user} | head -20",
            "homeshelf report --run=out/home --file=report.html",
            "homeshelf preview --run=out/home --file=preview.html",
        )


def write_numbers(folder: Path) -> None:
    """Write listens.csv: users and songs are whole numbers, times are seconds since 1970."""
    subprocess.run(f"{_SAMPLE[0]} --seed=2", shell=True, cwd=folder, env=environment(), check=True, capture_output=True)
    number = pl.col("user_id", "track_id").str.extract(r"(\d+)$").cast(pl.Int64)
    events = pl.read_parquet(folder / "data" / "events").select(number, "played_at", "ms_played").drop_nulls()
    events.select(
        user=pl.col("user_id"),
        song=pl.col("track_id"),
        listened_at=pl.col("played_at").dt.epoch("s"),
        seconds=pl.col("ms_played") // 1000,
    ).write_csv(folder / "listens.csv")
    subprocess.run(["rm", "-r", "data"], cwd=folder, check=True)


WALKS = (
    Walk(
        "The sample world",
        "Invented listening of 400 users, with a catalog that knows titles, artists and genres.",
        lambda folder: None,
        _SAMPLE,
        "--events=data/events --tracks=data/tracks --users_table=data/users",
        "user-0000007",
    ),
    Walk(
        "A real listening log",
        "A sample of the 30Music dataset: who played what, when, for how long. No titles, no artists, no catalog.",
        lambda folder: folder.parent.joinpath("shared").symlink_to(SHARED),
        (),
        f"--events={LISTENING}",
        "0",
    ),
    Walk(
        "A CSV of numbers",
        "`listens.csv`, as a database exports it: users and songs are numbers, times are seconds since 1970.",
        write_numbers,
        ("head -4 listens.csv",),
        "--events=listens.csv",
        "7",
    ),
)


def environment() -> dict[str, str]:
    """Return the environment of the commands: this checkout, no flags of the caller's, lines of one length."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOMESHELF_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": str(_COLUMNS)}


def record(walk: Walk, folder: Path) -> str:
    """Carry out a walk in an empty folder and return its section of the page.

    Raises:
        RuntimeError: a command failed, or printed a path of this machine.
    """
    walk.prepare(folder)
    parts = [f"## {walk.heading}", walk.text]
    for command in walk.commands():
        shell = ["bash", "-c", command]
        done = subprocess.run(
            shell, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        print(f"$ {command}\n{done.stdout}", flush=True)
        if done.returncode or str(folder) in done.stdout or str(ROOT) in done.stdout:
            raise RuntimeError(f"{command}: exit status {done.returncode}, or a path of this machine")
        parts.append(f"```\n{command}\n```")
        if done.stdout.strip():
            parts.append(f"```text\n{done.stdout.rstrip()}\n```")
    return "\n\n".join(parts)


def main() -> None:
    """Record all walks."""
    sections = []
    for walk in WALKS:
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent, "walk")
            folder.mkdir()
            sections.append(record(walk, folder))
        PAGE.write_text("\n\n".join([_HEAD.format(columns=_COLUMNS).rstrip(), *sections]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
