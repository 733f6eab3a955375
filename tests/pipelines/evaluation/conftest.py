"""The late world, and what is evaluated on it: once for all tests."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.built_once import built_once
from tests.pipelines.evaluation.evaluations import evaluate, read_report

CUTOFFS = ("2025-12-18", "2025-12-24")
CUTOFF = datetime(2025, 12, 24, tzinfo=timezone.utc)
STARTS_AT, ENDS_AT = CUTOFF + timedelta(minutes=30), CUTOFF + timedelta(days=7, minutes=30)
KNOWN_AT = pl.max_horizontal("played_at", "arrived_at")
# act_r is tuned: its parameters depend on the earliest cutoff
BASELINES = "--baselines=most_popular,repeat_recent,act_r"


def events_of(world: Path) -> pl.DataFrame:
    return pl.read_parquet(world / "events" / "*.parquet")


@pytest.fixture(scope="session")
def late_world(world: Path) -> Path:
    return built_once("late world", lambda folder: write_late_world(world, folder)) / "events"


def write_late_world(world: Path, folder: Path) -> None:
    """A third of the plays of the last days before the cutoff become known a day after it."""
    events = events_of(world)
    is_late = pl.col("played_at").is_between(CUTOFF - timedelta(days=6), CUTOFF) & (pl.int_range(pl.len()) % 3 == 0)
    arrived = pl.when(is_late).then(pl.lit(CUTOFF + timedelta(days=1))).otherwise("arrived_at")
    late = events.with_columns(arrived_at=arrived.cast(events["arrived_at"].dtype))
    (folder / "events").mkdir()
    late.write_parquet(folder / "events" / "part.parquet")


def ranked(pairs: pl.DataFrame) -> pl.DataFrame:
    """A list for each user in the order of the rows."""
    once = pairs.unique(["user_id", "track_id"], keep="first", maintain_order=True)
    return once.select("user_id", "track_id", rank=pl.int_range(pl.len(), dtype=pl.Int32).over("user_id"))


def leaky_lists(world: Path, events: pl.DataFrame) -> dict[str, pl.DataFrame]:
    # of tracks that were out: others would be refused
    out = pl.read_parquet(world / "tracks" / "*.parquet").filter(pl.col("release_date") <= CUTOFF.date())
    plays = events.filter((pl.col("action") == "play") & (pl.col("ms_played") >= 30_000))
    plays = plays.join(out, on="track_id", how="semi", maintain_order="left")
    window = plays.filter(pl.col("played_at").is_between(STARTS_AT, ENDS_AT, closed="left"))
    users = window.select("user_id").unique().sort("user_id")
    risen = window.group_by("track_id").len().sort("len", "track_id", descending=True).head(100)
    seen = plays.filter(pl.col("played_at") < ENDS_AT).sort("played_at", descending=True)
    late = plays.filter((pl.col("played_at") < CUTOFF) & (KNOWN_AT >= CUTOFF))
    popular = (
        plays.filter(KNOWN_AT < CUTOFF).group_by("track_id").len().sort("len", "track_id", descending=True).head(60)
    )
    noise = users.join(popular.select("track_id"), how="cross")
    # a label leaks through a feature: half of what the user is about to play stands above the rest
    hint = window.filter(pl.struct("user_id", "track_id").hash(1) % 2 == 0).select("user_id", "track_id")
    return {
        "future_popularity": ranked(users.join(risen.select("track_id"), how="cross")),
        "label_feature": ranked(pl.concat([hint, noise])),
        "target_in_history": ranked(seen.select("user_id", "track_id")),
        "late_corrections": ranked(pl.concat([late.select("user_id", "track_id"), noise])),
    }


@pytest.fixture(scope="session")
def evaluation(world: Path, late_world: Path) -> Path:
    """Two cutoffs."""
    flags = f"--as_of={','.join(CUTOFFS)}"
    return built_once("evaluation", lambda folder: evaluate(world, folder, flags, events=late_world))


@pytest.fixture(scope="session")
def report(evaluation: Path) -> dict[str, Any]:
    return read_report(evaluation)


@pytest.fixture(scope="session")
def one_cutoff(world: Path, late_world: Path) -> dict[str, Any]:
    """The later cutoff alone, in another number of buckets, with lists: systems that saw the future, and ours again."""
    return read_report(built_once("one cutoff", lambda folder: evaluate_one(world, late_world, folder)) / "out")


def evaluate_one(world: Path, late_world: Path, folder: Path) -> None:
    """Evaluate at CUTOFF, with leaky_lists() and with a list of what repeat_recent recommends."""
    events = events_of(late_world.parent)
    lists = {**leaky_lists(world, events), "mine": repeated_lists(events)}
    for name, rows in lists.items():
        rows.write_parquet(folder / f"{name}.parquet")
    given = ",".join(f"{name}:{folder / name}.parquet" for name in lists)
    flags = [f"--as_of={CUTOFFS[1]}", "--num_buckets=3", f"--lists={given}"]
    evaluate(world, folder / "out", *flags, events=late_world, baselines=BASELINES)


def repeated_lists(events: pl.DataFrame) -> pl.DataFrame:
    """Return the tracks of each user, the last listened to first."""
    listens = events.filter((KNOWN_AT < CUTOFF) & (pl.col("action") == "play") & (pl.col("ms_played") >= 30_000))
    return ranked(listens.sort("played_at", descending=True))
