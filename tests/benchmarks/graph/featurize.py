"""featurize: the product's stages against plain Polars and against row-by-row Beam, in turns, with equal results."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipelines.options.options import RunOptions
from tests.benchmarks.child_process import Child, in_child
from tests.benchmarks.graph import bucketed, plain, rowwise
from tests.benchmarks.graph.user_facts import COUNTS
from tests.benchmarks.report import Ratio, Section, Table, at_least, at_most, megabytes, spread
from tests.benchmarks.stage_times import outside_table, stage_table, where_time_went
from tests.benchmarks.worlds import AS_OF, World

STATISTICS = ("n_plays", "n_users", "popularity", "skip_rate", "completion")
Job = Callable[[World, list[str], Path], Child]


@dataclass(frozen=True)
class Featurize:
    """A sample world; the row-by-row job, and the product's for comparison, get a small part of its files."""

    world: World
    num_events_row_by_row: int
    repetitions: int

    def __call__(self) -> Section:
        """Measure all."""
        whole = self.world.event_files
        share = self.num_events_row_by_row / self.world.num_events
        part = whole[: max(1, round(share * len(whole)))]
        against_plain = self.by_turns(whole, run_bucketed, run_plain, compare_plain)
        against_rows = self.by_turns(part, run_bucketed, run_rowwise, compare_rowwise)
        return section(self.world, against_plain, against_rows, self.num_events(part))

    def by_turns(self, files: list[str], ours: Job, theirs: Job, compare: Callable[[Path, Path], None]) -> Any:
        """Run both jobs in turns, A B A B ...; return the children of both, after comparing their results."""
        children: tuple[list[Child], list[Child]] = ([], [])
        for path in files:  # both read from memory
            Path(path).read_bytes()
        for _ in range(self.repetitions):
            with tempfile.TemporaryDirectory() as scratch:
                folders = Path(scratch, "ours"), Path(scratch, "theirs")
                for job, folder, into in zip((ours, theirs), folders, children, strict=True):
                    into.append(job(self.world, files, folder))
                compare(*folders)
        return children

    def num_events(self, files: list[str]) -> int:
        """Count the events of the files."""
        return int(pl.scan_parquet(files).select(pl.len()).collect().item())


def run_bucketed(world: World, files: list[str], output: Path) -> Child:
    """Time the product."""
    return in_child(bucketed.featurize, **_arguments(world, files, output))


def run_plain(world: World, files: list[str], output: Path) -> Child:
    """Time plain Polars."""
    sizes: dict[str, Any] = {"num_neighbours": RunOptions.num_neighbours, "half_life": RunOptions.half_life_days}
    return in_child(plain.featurize, **_arguments(world, files, output), **sizes)


def run_rowwise(world: World, files: list[str], output: Path) -> Child:
    """Time row-by-row Beam."""
    return in_child(rowwise.featurize, **_arguments(world, files, output), half_life=RunOptions.half_life_days)


def _arguments(world: World, files: list[str], output: Path) -> dict[str, Any]:
    return {"events": files, "tracks": f"{world.folder}/tracks", "output": str(output), "as_of": AS_OF.isoformat()}


def compare_plain(ours: Path, theirs: Path) -> None:
    """Check that every row of all results is equal (AssertionError: the two jobs are not the same job)."""
    assert _rejected(ours) == dict(pl.read_parquet(theirs / "rejected/*").iter_rows())
    (catalog,) = (ours / "catalogs").iterdir()
    tracks, expected = pl.read_parquet(catalog / "tracks.parquet"), pl.read_parquet(theirs / "tracks/*")
    for name in STATISTICS:
        _assert_close(tracks[name], expected[name], tolerance=1e-5)
    near, similar = np.load(catalog / "neighbours.npy"), np.load(catalog / "similarities.npy")
    pairs = pl.read_parquet(theirs / "neighbours/*")
    row, index = np.nonzero(near >= 0)
    assert np.array_equal(row, pairs["track"]) and np.array_equal(near[row, index], pairs["other"])
    _assert_close(pl.Series(similar[row, index]), pairs["similarity"], tolerance=1e-6)
    users, by_hand = _users(ours), _users(theirs)
    assert users["user_id"].equals(by_hand["user_id"])
    for name in users.columns[1:]:
        _assert_close(users[name], by_hand[name], tolerance=1e-6)


def compare_rowwise(ours: Path, theirs: Path) -> None:
    """Check that the totals are equal (AssertionError)."""
    totals = {
        name: json.loads((theirs / f"{name}.json").read_text()) for name in ("users", "tracks", "listeners", "rejected")
    }
    assert _rejected(ours) == totals["rejected"]
    (catalog,) = (ours / "catalogs").iterdir()
    tracks = pl.read_parquet(catalog / "tracks.parquet")
    assert tracks.select(pl.col("n_plays", "n_users").sum()).row(0) == (totals["tracks"][0], totals["listeners"])
    users = _users(ours)
    for name in (
        *COUNTS,
        "completion",
        "days_since_played",
        "user_skip_rate",
        "user_distinct_track_ratio",
        "share_of_genre",
    ):
        np.testing.assert_allclose(float(users[name].sum()), totals["users"][name], rtol=1e-6, err_msg=name)


def _rejected(folder: Path) -> dict[str, int]:
    counts = pl.read_parquet(folder / "rejected/*").iter_rows()
    return {what.removeprefix("rejected/"): n for what, n in counts}


def _users(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "users/*").with_columns(pl.col("user_id").cast(pl.String)).sort("user_id")


def _assert_close(found: pl.Series, expected: pl.Series, *, tolerance: float) -> None:
    a, b = (values.cast(pl.Float64).to_numpy() for values in (found, expected))
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=1e-9, err_msg=found.name)


def section(world: World, against_plain: Any, against_rows: Any, num_part: int) -> Section:
    """Return the figures and tables."""
    (ours, polars), (ours_part, rows) = (
        [[child.seconds for child in children] for children in pair] for pair in (against_plain, against_rows)
    )
    last = against_plain[0][-1]
    return Section(
        "featurize: read, clean, bucket, catalog, user features",
        f"{world.num_events:,} events of {world.num_users:,} users; the row-by-row job has {num_part:,} of them."
        " Every run is a process of its own, its time is without imports; all results were compared and are equal.",
        [
            at_most(
                "our stages / plain Polars",
                Ratio.of(ours, polars),
                2.0,
                where_time_went(last.result, last.seconds),
            ),
            at_least(
                f"row by row / our stages, the same {num_part:,} events",
                Ratio.of(rows, ours_part),
                8.0,
                "Beam's fixed cost per stage and run; the row-by-row job is spared the neighbours, sessions and tables",
            ),
            at_least(
                "row by row / our stages, time per event, ours on all events",
                Ratio.of([s / num_part for s in rows], [s / world.num_events for s in ours]),
                8.0,
                "the same; fixed costs weigh less",
            ),
        ],
        _tables(world, against_plain, against_rows, num_part),
    )


def _tables(world: World, against_plain: Any, against_rows: Any, num_part: int) -> list[Table]:
    last = against_plain[0][-1]
    times = [
        _row("our stages in Beam", world.num_events, against_plain[0]),
        _row("plain Polars", world.num_events, against_plain[1]),
        _row("our stages in Beam", num_part, against_rows[0]),
        _row("Beam row by row", num_part, against_rows[1]),
    ]
    return [
        Table("Times", ("job", "events", "time", "events/s", "peak memory"), times),
        stage_table("Our stages (last repetition)", last.result["stages"], last.seconds),
        outside_table(last.result, last.seconds),
    ]


def _row(name: str, num_events: int, children: list[Child]) -> tuple[str, ...]:
    seconds = [child.seconds for child in children]
    peak = max(child.peak_bytes for child in children)
    return name, f"{num_events:,}", spread(seconds), f"{num_events / float(np.median(seconds)):,.0f}", megabytes(peak)
