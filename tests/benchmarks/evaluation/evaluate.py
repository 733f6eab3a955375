"""evaluate: the cost of measuring lists, and the same lists measured by RecTools, in turns, with equal results."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.evaluation.estimates import EstimateKey, Estimates
from tests.benchmarks.report import Figure, Ratio, Section, Table, at_least, spread
from tests.worlds import AS_OF, catalog_of, random_plays, tracks_of
from transforms.catalog.catalog import Catalog
from transforms.evaluation.list_exposure import count_list_exposure
from transforms.evaluation.matched_lists import NEWCOMERS
from transforms.evaluation.measure_lists import measure_lists
from transforms.evaluation.schemas import EVALUATION_ROWS, PLAYED_BEFORE, TARGET
from transforms.evaluation.sums import merge_sums
from transforms.tables.columns import fill_columns

PEERS = Path(".venv-peers/bin/python")
NUM_TRACKS, LENGTH, NUM_TARGETS, NUM_PLAYED, NUM_SYSTEMS = 20_000, 100, 10, 30, 10
USERS_PER_BUCKET = 10_000
REPLICATES = 400
KINDS = ("all", "repeats", "discoveries")
# their names and ours
SAME = {
    "ndcg@10": "NDCG@10", "ndcg@20": "NDCG@20", "ndcg@100": "NDCG@100", "recall@10": "Recall@10",
    "recall@100": "Recall@100", "mrr": "MRR@100", "hit_rate@10": "HitRate@10",
}  # fmt: skip


@dataclass(frozen=True)
class Evaluate:
    """Random lists of 100 tracks; each user has ten targets and thirty tracks played before."""

    evaluated_users: tuple[int, ...]
    compared_users: int
    repetitions: int

    def __call__(self) -> Section:
        """Measure both."""
        about = (
            f"{NUM_SYSTEMS} systems with lists of {LENGTH} of {NUM_TRACKS:,} tracks, {NUM_TARGETS} targets a user, all"
            f" metrics, {REPLICATES} bootstrap replicates, buckets of {USERS_PER_BUCKET:,} users."
        )
        section = Section("evaluate: metrics of ranked lists", about)
        with tempfile.TemporaryDirectory() as folder:
            plays = random_plays(1, num_users=500, num_tracks=NUM_TRACKS, num_plays=100_000)
            tracks = catalog_of(plays, tracks_of(NUM_TRACKS, num_artists=500), Path(folder, "catalog"))
            cost = self.by_size(section, tracks)
            self.against_rectools(section, tracks, Path(folder), cost)
        return section

    def by_size(self, section: Section, tracks: Catalog) -> float:
        """Measure growing numbers of users; return the cost of a user and a system at the largest, in µs."""
        costs, rows = {}, []
        for num_users in self.evaluated_users:
            seconds = sum(timed(bucket, tracks)[0] for bucket in buckets_of(num_users, NUM_SYSTEMS))
            costs[num_users] = 1e6 * seconds / num_users / NUM_SYSTEMS
            rows.append((f"{num_users:,}", f"{seconds:.1f} s", f"{costs[num_users]:.1f} µs"))
        first, last = self.evaluated_users[0], self.evaluated_users[-1]
        growth = costs[last] / costs[first]
        limits = "joins of lists with targets and histories; sums of replicates"
        name = f"cost of a user and a system, {last:,} / {first:,} users"
        section.figures.append(Figure(name, f"{growth:.2f}x", "flat: at most 1.25x", growth <= 1.25, limits))
        section.tables.append(Table("Measuring lists", ("users", "time", "a user and a system"), rows))
        return costs[last]

    def against_rectools(self, section: Section, tracks: Catalog, folder: Path, cost: float) -> None:
        """Measure one system's lists: ours with intervals and all metrics, theirs with the seven that both have."""
        if not PEERS.exists():
            missing = "not measured: make .venv-peers/installed"
            section.figures.append(Figure("RecTools / ours", missing, "at least 3x", None, ""))
            return
        buckets = list(buckets_of(self.compared_users, 1))
        pl.concat(map(listed, buckets)).write_parquet(folder / "lists.parquet")
        pl.concat(map(wanted, buckets)).write_parquet(folder / "targets.parquet")
        ours, theirs, by_kind = [], [], []
        for _ in range(self.repetitions):
            parts = [timed(bucket, tracks) for bucket in buckets]
            ours.append(sum(seconds for seconds, _ in parts))
            found = rectools(folder)
            theirs.append(found["all"]["seconds"])
            by_kind.append(sum(found[kind]["seconds"] for kind in KINDS))
            compare(merge_sums(pl.concat(sums for _, sums in parts)), found)
        name = f"RecTools / ours, {self.compared_users:,} users, one system"
        limits = "ours also computes 400 replicates, segments, list metrics and list exposure"
        section.figures += [
            at_least(f"{name}; theirs: seven metrics", Ratio.of(theirs, ours), 3.0, limits),
            at_least(f"{name}; theirs: these for all, repeats, discoveries", Ratio.of(by_kind, ours), 3.0, limits),
        ]
        for what, seconds in {"seven metrics": theirs, "these for all, repeats, discoveries": by_kind}.items():
            of_one = [1e6 * one / self.compared_users for one in seconds]
            name = f"RecTools / ours, a user and a system when there are {NUM_SYSTEMS}; theirs: {what}"
            ratio = Ratio.of(of_one, [cost] * len(of_one))
            section.figures.append(at_least(name, ratio, 3.0, "joins of lists with targets and histories"))
        times = {
            "ours, all metrics, 400 replicates": ours,
            "rectools.metrics, seven metrics": theirs,
            "rectools.metrics, seven metrics for all, repeats and discoveries": by_kind,
        }
        rows = [(who, spread(seconds)) for who, seconds in times.items()]
        section.tables.append(Table("The same lists", ("who", "time"), rows))


def buckets_of(num_users: int, num_systems: int) -> Iterator[pl.DataFrame]:
    """Yield EVALUATION_ROWS of random lists, a bucket at a time."""
    for bucket, first in enumerate(range(0, num_users, USERS_PER_BUCKET)):
        yield evaluation_rows_of(first, min(USERS_PER_BUCKET, num_users - first), num_systems, seed=bucket)


def evaluation_rows_of(first: int, num_users: int, num_systems: int, seed: int) -> pl.DataFrame:
    """Make lists that hold a few of the targets; tracks are distinct, for each user walks the catalogue in steps."""
    rng = np.random.default_rng(seed)
    ids = pl.Series([f"user-{number:07d}" for number in range(first, first + num_users)])
    users = ids.cast(pl.Enum(ids))
    names = pl.Enum([TARGET, PLAYED_BEFORE, *(f"system_{number}" for number in range(num_systems))])
    sizes = {TARGET: NUM_TARGETS, PLAYED_BEFORE: NUM_PLAYED, **{name: LENGTH for name in names.categories[2:]}}
    start = rng.integers(NUM_TRACKS, size=num_users)
    parts = []
    for name, size in sizes.items():
        # the tracks of targets are near, those of lists spread around the same start
        spread_by = 1 if name == TARGET else 7 if name == PLAYED_BEFORE else 1 + rng.integers(1, 30)
        track = (
            start[:, None] + spread_by * rng.permuted(np.tile(np.arange(size), (num_users, 1)), axis=1)
        ) % NUM_TRACKS
        rank = np.tile(np.arange(size), num_users)
        rows = {
            "user_id": users.gather(np.repeat(np.arange(num_users), size)),
            "track": track.ravel().astype(np.int32),
            "rank" if name not in (TARGET, PLAYED_BEFORE) else "n_plays": (
                rank + (name in (TARGET, PLAYED_BEFORE))
            ).astype(np.int32),
        }
        parts.append(pl.DataFrame(rows).with_columns(system=pl.lit(name, dtype=names)))
    return fill_columns(pl.concat(parts, how="diagonal"), EVALUATION_ROWS)


def timed(evaluation_rows: pl.DataFrame, tracks: Catalog) -> tuple[float, pl.DataFrame]:
    """Return the seconds and the sums."""
    started = time.perf_counter()
    sums = measure_lists(
        evaluation_rows, catalog=tracks, cutoff_at=AS_OF, sources=("system_0",), num_replicates=REPLICATES, seed=1
    )
    count_list_exposure(evaluation_rows)
    return time.perf_counter() - started, sums


def listed(evaluation_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the lists as others read them, and whether the user had played each track."""
    return _marked(evaluation_rows, pl.col("rank").is_not_null()).select("user_id", "track", "rank", "is_played")


def wanted(evaluation_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the targets as others read them, and whether the user had played each track."""
    targets = _marked(evaluation_rows, pl.col("system").cast(pl.String) == TARGET)
    return targets.select("user_id", "track", "is_played")


def _marked(evaluation_rows: pl.DataFrame, rows: pl.Expr) -> pl.DataFrame:
    played = evaluation_rows.filter(pl.col("system").cast(pl.String) == PLAYED_BEFORE).select(
        "user_id", "track", is_played=pl.lit(True)
    )
    joined = evaluation_rows.filter(rows).join(played, on=["user_id", "track"], how="left")
    return joined.with_columns(pl.col("user_id").cast(pl.String), pl.col("is_played").fill_null(False))


def rectools(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the seconds (without reading) and values of RecTools in its own environment, by kind of targets."""
    command = [str(PEERS), "tests/peers/metrics.py", str(folder / "lists.parquet"), str(folder / "targets.parquet")]
    found: dict[str, dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def compare(sums: pl.DataFrame, theirs: dict[str, dict[str, Any]]) -> None:
    """Check that both found the same values."""
    estimates = Estimates(sums, 0.95)
    assert estimates.estimate(EstimateKey("system_0", "ndcg@10", "all", NEWCOMERS)) is None, "every user has a history"
    for kind in KINDS:
        for ours, name in SAME.items():
            found = estimates.estimate(EstimateKey("system_0", ours, kind))
            assert found and found.value == pytest.approx(theirs[kind]["values"][name], abs=1e-6), (kind, name, found)
