"""weekly: the share of a Monday's weekly discoveries that stays until Wednesday, and until the Monday after.

python -m tests.benchmarks.pages.weekly out/monday out/wednesday          the same of runs that are there
"""

import sys
import tempfile
from dataclasses import dataclass

import polars as pl
from rich.console import Console

from pipelines.cli import main
from pipelines.inputs.published import PublishedRun, card_rows
from tests.benchmarks.child_process import in_child
from tests.benchmarks.report import Section, Table, show
from tests.benchmarks.worlds import World

# A run at midnight is that of the day that ends.
MONDAY, WEDNESDAY, MONDAY_AFTER = "2025-12-23", "2025-12-25", "2025-12-30"
SHELF = "weekly_discovery"


@dataclass(frozen=True)
class Weekly:
    """A sample world whose log ends after the second Monday."""

    world: World

    def __call__(self) -> Section:
        """Run the job on the three days, on the later ones with new models and with those of the first."""
        return section(in_child(measure, folder=str(self.world.folder)).result)


def section(found: dict[str, tuple[int, float, float]]) -> Section:
    """Return the tables."""
    return Section(
        "weekly: stability of the weekly discoveries",
        "Share of the tracks of a Monday's shelf that stay on that of a later day, over users who have the shelf on"
        " both; and share that is a candidate at all then.",
        [],
        [
            Table(
                "Of Monday's tracks",
                ("then", "users", "on the shelf", "candidates"),
                [(name, f"{n:,}", f"{stay:.0%}", f"{left:.0%}") for name, (n, stay, left) in found.items()],
            )
        ],
    )


def measure(folder: str) -> dict[str, tuple[int, float, float]]:
    """Return, for each way to run on a later day: users, share of tracks that stay, share still a candidate."""
    flags = [f"--{flag}={folder}/{flag.removesuffix('_table')}" for flag in ("events", "tracks", "users_table")]
    with tempfile.TemporaryDirectory() as scratch:

        def run(name: str, day: str, *more: str) -> PublishedRun:
            assert main(["run", *flags, f"--output={scratch}/{name}", f"--as_of={day}", *more]) == 0
            return PublishedRun(f"{scratch}/{name}")

        before = run("monday", MONDAY)
        reused = (f"--ranker={before.folder}", f"--embeddings={before.folder}", "--num_warm_epochs=0")
        later = {
            "Wednesday, `--carry_over_from`, trained anew": run(
                "kept", WEDNESDAY, f"--carry_over_from={scratch}/monday"
            ),
            "Wednesday, trained anew": run("anew", WEDNESDAY),
            "Wednesday, models of Monday": run("reused", WEDNESDAY, *reused),
            "the Monday after, trained anew": run("after", MONDAY_AFTER),
        }
        return {name: _stays(before, run) for name, run in later.items()}


def _stays(before: PublishedRun, after: PublishedRun) -> tuple[int, float, float]:
    was, is_now = (_shelf(run) for run in (before, after))
    held = was.join(is_now.select("user_id").unique(), on="user_id", how="semi")
    candidates = after.table("candidates").select("user_id", "track_id").collect().cast(pl.String)
    shown, known = (
        len(held.join(there, on=["user_id", "track_id"], how="semi")) / len(held) for there in (is_now, candidates)
    )
    return held["user_id"].n_unique(), shown, known


def _shelf(run: PublishedRun) -> pl.DataFrame:
    cards = card_rows(run.table("pages").collect()).filter(pl.col("shelf_id") == SHELF)
    return cards.select("user_id", "track_id").cast(pl.String)


if __name__ == "__main__":
    monday, *later_runs = map(PublishedRun, sys.argv[1:])
    show(Console(), section({run.folder: _stays(monday, run) for run in later_runs}))
