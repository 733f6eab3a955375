"""assembly: users a second and core through the assembler, with and without re-ranking, and its memory.

python -m tests.benchmarks.pages.assembly out/home 1000     the speeds alone, for 1,000 users of an existing run
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import polars as pl
from rich.console import Console

from pipelines.inputs.published import PublishedRun, card_rows
from tests.benchmarks.child_process import Child, in_child
from tests.benchmarks.report import Figure, Section, Table, megabytes, show
from tests.benchmarks.whole_run import run_all
from tests.benchmarks.worlds import World
from transforms.pages.assemble_pages import assemble_pages
from transforms.pages.candidate_context import candidates_with_codes, select_page_columns
from transforms.pages.shelves.shelves import SHELVES, available_shelves
from transforms.tables.surfaces import HOME

MAX_SHARE_OF_RUN = 0.25
MAX_SHELVES = 12
STRENGTH, TEMPERATURE = 0.5, 0.3
SWITCHES: dict[str, dict[str, float]] = {
    "none of them": {},
    "diversity": {"diversity": STRENGTH},
    "calibration": {"calibration": STRENGTH},
    "exploration": {"exploration": TEMPERATURE},
    "diversity, calibration": {"diversity": STRENGTH, "calibration": STRENGTH},
    "all three": {"diversity": STRENGTH, "calibration": STRENGTH, "exploration": TEMPERATURE},
}
BENT = "diversity, calibration"


@dataclass(frozen=True)
class Assembly:
    """A run on the world gives the candidates; users of the world are assembled again and again up to a number."""

    world: World
    num_users: int
    bucket: int  # users of one
    repetitions: int

    def __call__(self) -> Section:
        """Measure; two buckets of each other size are enough for their memory."""
        with tempfile.TemporaryDirectory() as output:
            run = in_child(run_all, world=str(self.world.folder), output=output, flags=[])
            of = {"run": run.result["folder"], "bucket": self.bucket}
            by_switch = in_child(assemble_by_turns, **of, repetitions=self.repetitions).result
            all_users = in_child(assemble_buckets, **of, num_users=self.num_users)
            others = {
                size: in_child(assemble_buckets, **{**of, "bucket": size}, num_users=2 * size)
                for size in (self.bucket // 4, 4 * self.bucket)
            }
        return section(run, by_switch, dict(sorted({self.bucket: all_users, **others}.items())), all_users.result)


def buckets_of(run: PublishedRun, num_users: int, bucket: int) -> Iterator[pl.DataFrame]:
    """Yield candidates of a number of users at a time; repeated users have other names."""
    candidates = run.table("candidates")
    users = candidates.select("user_id").unique().sort("user_id").collect()["user_id"]
    names = select_page_columns(candidates_with_codes(candidates.head(0).collect(), run.catalog), SHELVES).columns
    columns = [name for name in candidates.collect_schema().names() if name in {*names, "track_id", "seed_track_id"}]
    for start in range(0, num_users, bucket):
        wanted = users.gather([index % len(users) for index in range(start, min(start + bucket, num_users))])
        again = wanted.to_frame().with_columns(name=pl.format("{}-{}", "user_id", pl.int_range(pl.len()) + start))
        rows = candidates.select(columns).filter(pl.col("user_id").is_in(wanted.unique().implode())).collect()
        named = rows.join(again, on="user_id").drop("user_id").rename({"name": "user_id"})
        yield candidates_with_codes(named.with_columns(pl.col("user_id").cast(pl.Categorical)), run.catalog)


def assemble_by_turns(run: str, bucket: int, repetitions: int) -> dict[str, list[float]]:
    """Return CPU seconds a user of one bucket under each of SWITCHES, in turns, of all threads together."""
    found: dict[str, list[float]] = {name: [] for name in SWITCHES}
    (scored,) = buckets_of(PublishedRun(run), bucket, bucket)
    for repetition in range(repetitions + 1):
        for name in SWITCHES:
            seconds = _assemble(PublishedRun(run), scored, SWITCHES[name]).cpu
            if repetition:  # the first is to warm up
                found[name].append(seconds / bucket)
    return found


def assemble_buckets(run: str, num_users: int, bucket: int) -> dict[str, Any]:
    """Assemble bucket by bucket with diversity and calibration; return the seconds and the contents of the pages."""
    published = PublishedRun(run)
    wall = cpu = rows = tracks = shelves = 0.0
    for scored in buckets_of(published, num_users, bucket):
        done = _assemble(published, scored, SWITCHES[BENT])
        wall, cpu, rows = wall + done.wall, cpu + done.cpu, rows + len(scored)
        shelves += int(done.pages["shelves"].list.len().sum())
        tracks += len(card_rows(done.pages))
    entries = len(available_shelves(published.catalog, HOME))
    per_user = {
        name: total / num_users for name, total in (("candidates", rows), ("shelves", shelves), ("tracks", tracks))
    }
    return {"users": num_users, "wall": wall, "cpu": cpu, "entries": entries, **per_user}


@dataclass(frozen=True)
class _Done:
    pages: pl.DataFrame
    wall: float
    cpu: float


def _assemble(run: PublishedRun, scored: pl.DataFrame, strengths: dict[str, float]) -> _Done:
    calm: dict[str, Any] = {"diversity": 0.0, "calibration": 0.0, "exploration": 0.0}
    policy = replace(run.policy, **{**calm, **strengths}, max_shelves=MAX_SHELVES)
    embeddings = run.embeddings
    wall, cpu = time.perf_counter(), time.process_time()
    pages = assemble_pages(scored, catalog=run.catalog, embeddings=embeddings, policy=policy, rules=())
    return _Done(pages, time.perf_counter() - wall, time.process_time() - cpu)


def section(
    run: Child, by_switch: dict[str, list[float]], by_size: dict[int, Child], largest: dict[str, Any]
) -> Section:
    """Return the figures and tables."""
    whole = run.result["stages"]["assemble_pages"]
    share = whole["seconds"] / run.seconds
    per_second = largest["users"] / largest["cpu"]
    return Section(
        "assembly: users a second and core",
        f"{largest['users']:,} users with {largest['candidates']:.0f} candidates each, {largest['entries']}"
        " shelves to choose from;"
        f" pages of {largest['shelves']:.1f} shelves and {largest['tracks']:.0f} tracks, {MAX_SHELVES} shelves at most."
        f" Users a second of CPU time, of all threads together; strengths {STRENGTH:g}, temperature {TEMPERATURE:g}.",
        [
            Figure(
                f"{largest['users']:,} users, diversity and calibration on",
                f"{per_second:,.0f} users/s and core",
                "",
                None,
                "passes over the candidates of all shelves: a candidate belongs to about three of them",
            ),
            Figure(
                f"assemble_pages in a whole run with default flags, {whole['rows']:,.0f} pages",
                f"{share:.1%} of its wall time",
                f"at most {MAX_SHARE_OF_RUN:.0%}",
                share <= MAX_SHARE_OF_RUN,
                "",
            ),
        ],
        [
            _speeds(by_switch),
            _sizes(by_size),
        ],
    )


def _sizes(by_size: dict[int, Child]) -> Table:
    rows = [
        (
            f"{size:,}",
            f"{child.result['users']:,}",
            f"{child.result['users'] / child.result['cpu']:,.0f}",
            f"{child.result['users'] / child.result['wall']:,.0f}",
            megabytes(child.peak_bytes),
            megabytes(child.peak_bytes - child.bytes_before),
        )
        for size, child in by_size.items()
    ]
    columns = ("bucket", "users", "users/s and core", "users/s, wall", "peak memory", "above the imports")
    return Table("By users of a bucket", columns, rows)


def _speeds(by_switch: dict[str, list[float]]) -> Table:
    speed = {name: 1 / median(seconds) for name, seconds in by_switch.items()}
    return Table(
        "Users a second and core, by re-ranking (median)",
        ("on", "users/s", "time, to none"),
        [(name, f"{rate:,.0f}", f"{speed['none of them'] / rate:.2f}x") for name, rate in speed.items()],
    )


if __name__ == "__main__":
    users = int(sys.argv[2])
    found = assemble_by_turns(PublishedRun(sys.argv[1]).folder, bucket=users, repetitions=3)
    show(Console(), Section("assembly", f"{users:,} users, {MAX_SHELVES} shelves at most", [], [_speeds(found)]))
