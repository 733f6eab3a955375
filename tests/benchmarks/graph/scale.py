"""scale: the whole run at growing numbers of users, each in a process of its own."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.benchmarks.child_process import Child, in_child
from tests.benchmarks.report import Figure, Section, Table, megabytes
from tests.benchmarks.stage_times import inside, outside_table, stage_table
from tests.benchmarks.whole_run import run_all
from tests.benchmarks.worlds import NUM_DAYS, NUM_TRACKS, World

GROWTH, OUTSIDE, PUBLISHING = 1.25, 0.20, 0.05


@dataclass(frozen=True)
class Scale:
    """Worlds that differ in their users alone, in ascending order."""

    worlds: Sequence[World]

    def __call__(self) -> Section:
        """Run each once."""
        return section([Point(world, whole_run(world), world.arrow_bytes()) for world in self.worlds])


def whole_run(world: World) -> Child:
    """Run the main job on a world with default flags; its output is not kept."""
    with tempfile.TemporaryDirectory() as output:
        return in_child(run_all, world=str(world.folder), output=output, flags=[])


@dataclass(frozen=True)
class Point:
    """A world and its run."""

    world: World
    run: Child
    arrow_bytes: int

    @property
    def ms_per_user(self) -> float:
        """Return the wall time per user."""
        return 1000 * self.run.seconds / self.world.num_users

    @property
    def outside(self) -> float:
        """Return the share of the wall time outside all stages."""
        return 1 - inside(self.run.result["stages"]) / self.run.seconds

    def stage_ms_per_user(self, stage: str) -> float:
        """Return the time of one stage per user."""
        stages = self.run.result["stages"]
        return 1000 * float(stages.get(stage, {"seconds": 0.0})["seconds"]) / self.world.num_users


def section(points: Sequence[Point]) -> Section:
    """Return the figures and tables."""
    last = points[-1]
    return Section(
        "scale: the whole run",
        f"Sample worlds of {NUM_TRACKS:,} tracks and {NUM_DAYS} days; default flags, one process. Times are without"
        f" imports ({last.run.import_seconds:.1f} s, TensorFlow included). Memory is the peak of resident memory,"
        f" of which imports hold {megabytes(last.run.bytes_before)}. Arrow: the six columns of the events that a run"
        " reads, in memory, ids as strings; Parquet: the events' files, all columns.",
        [
            *(_growth(before, after, is_last=after is last) for before, after in pairwise(points)),
            *(_outside(point) for point in points),
            *(_publishing(point) for point in points),
            *(_memory(point) for point in points),
        ],
        [
            _summary(points),
            *(
                table
                for point in points
                for table in (
                    stage_table(
                        f"Stages, {point.world.num_users:,} users", point.run.result["stages"], point.run.seconds
                    ),
                    outside_table(point.run.result, point.run.seconds),
                )
            ),
        ],
    )


def _growth(before: Point, after: Point, *, is_last: bool) -> Figure:
    """Return the time per user from one size to the next; the target is for the two largest sizes."""
    ratio = after.ms_per_user / before.ms_per_user
    grown = {
        stage: after.stage_ms_per_user(stage) - before.stage_ms_per_user(stage) for stage in after.run.result["stages"]
    }
    most = sorted(grown, key=lambda stage: -grown[stage])[:3]
    named = ", ".join(f"{stage} {grown[stage]:+.2f} ms a user" for stage in most if grown[stage] > 0)
    return Figure(
        f"time per user, {before.world.num_users:,} to {after.world.num_users:,} users",
        f"{ratio:.2f}x",
        f"at most {GROWTH:g}x" if is_last else "",
        ratio <= GROWTH if is_last else None,
        f"grows most: {named or 'no stage'}",
    )


def _outside(point: Point) -> Figure:
    most = list(point.run.result["outside"].items())[:3]
    named = ", ".join(f"{name.split('.', 1)[1]} {seconds / point.run.seconds:.0%}" for name, seconds in most)
    return Figure(
        f"share of wall time outside stages, {point.world.num_users:,} users",
        f"{point.outside:.0%}",
        f"at most {OUTSIDE:.0%}",
        point.outside <= OUTSIDE,
        f"{named}; fixed costs (graph, set-up of workers) weigh less in larger runs",
    )


def _publishing(point: Point) -> Figure:
    """Return the time of files, their shuffle, counts and gate, without what Beam spends between stages."""
    parts: dict[str, float] = point.run.result["publishing"]
    share = sum(parts.values()) / point.run.seconds
    named = ", ".join(f"{name} {seconds / point.run.seconds:.1%}" for name, seconds in list(parts.items())[:4])
    return Figure(
        f"share of wall time for publishing and gates, {point.world.num_users:,} users",
        f"{share:.1%}",
        f"at most {PUBLISHING:.0%}",
        share <= PUBLISHING,
        f"{named}; Parquet is compressed by zstd",
    )


def _memory(point: Point) -> Figure:
    peak, arrow = point.run.peak_bytes, point.arrow_bytes
    above = peak - point.run.bytes_before
    return Figure(
        f"peak memory, {point.world.num_users:,} users",
        f"{megabytes(peak)}: {peak / arrow:.1f}x Arrow, {peak / point.world.parquet_bytes:.1f}x Parquet;"
        f" above the imports {above / arrow:.1f}x Arrow",
        "",
        None,
        f"the peak is in {point.run.result['peak_stage']}",
    )


def _summary(points: Sequence[Point]) -> Table:
    columns = ("users", "events", "wall time", "ms per user", "events/s", "Arrow", "Parquet", "peak", "outside")
    rows = [
        (
            f"{point.world.num_users:,}",
            f"{point.world.num_events:,}",
            f"{point.run.seconds:.1f} s",
            f"{point.ms_per_user:.2f}",
            f"{point.world.num_events / point.run.seconds:,.0f}",
            megabytes(point.arrow_bytes),
            megabytes(point.world.parquet_bytes),
            megabytes(point.run.peak_bytes),
            f"{point.outside:.0%}",
        )
        for point in points
    ]
    return Table("Sizes", columns, rows)
