"""A user with two million events among normal ones: memory stays bounded."""

import json
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.cli import main
from pipelines.sample_world.world import WorldSpec, write_sample_world
from tests.benchmarks.child_process import in_child
from tests.runs import FAST

ENDS_AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
CROWD, MOST, ROWS_PER_GROUP = 2_000_000, 100_000, 400_000
# libraries with TensorFlow take 0.9 GB; the rest: the rows read, cleaned, rejected and published in tables of a million
ALLOWED_BYTES = 1_900_000_000


def run_main(argv: list[str]) -> int:
    return main(argv)


def write_crowd(events: Path) -> None:
    rng = np.random.default_rng(1)
    tracks = pl.read_parquet(events / "*.parquet")["track_id"].unique().sort()
    micros = int(ENDS_AT.timestamp() * 1e6) - rng.integers(1, 40 * 86_400_000_000, CROWD)
    pl.DataFrame(
        {
            "user_id": pl.repeat("bot", CROWD, eager=True),
            "track_id": tracks.gather(rng.integers(len(tracks), size=CROWD)),
            "played_at": pl.Series(micros).cast(pl.Datetime("us", "UTC")),
            "ms_played": rng.integers(0, 300_000, CROWD),
        }
    ).write_parquet(events / "crowd.parquet", row_group_size=ROWS_PER_GROUP)


def test_two_million_events_of_one_user_take_bounded_memory(tmp_path: Path) -> None:
    world = tmp_path / "world"
    write_sample_world(world, WorldSpec(num_users=60, num_tracks=600, num_days=40, seed=6, ends_at=ENDS_AT))
    users = pl.read_parquet(world / "events" / "*.parquet")["user_id"].n_unique()
    write_crowd(world / "events")
    tables = [f"--events={world}/events", f"--tracks={world}/tracks", f"--output={tmp_path}/out"]
    child = in_child(run_main, argv=["run", *tables, *FAST, "--mode=features"])
    assert child.result == 0
    (path,) = tmp_path.glob("out/ds=*/run=*/manifest.json")
    manifest = json.loads(path.read_text())
    rejected = manifest["events"]["rejected"]
    assert rejected["over_max_user_events"] + rejected.get("exact_duplicate", 0) == CROWD - MOST
    told = pl.read_parquet(path.parent / "rejected" / "*.parquet").filter(reason="over_max_user_events")
    assert told["user_id"].unique().to_list() == ["bot"]
    # of the others it is learned; the newest events of the crowd are all of the last days
    examples = pl.read_parquet(path.parent / "features" / "*.parquet")["user_id"]
    assert 10 < examples.n_unique() < users
    assert child.peak_bytes < ALLOWED_BYTES, child
    # what is too old goes before events are brought together by user: of each table as many as count are left, at most
    stages = map(json.loads, (path.parent / "stages.jsonl").read_text().splitlines())
    (ordered,) = (stage["rows"] for stage in stages if stage["stage"] == "order_histories")
    others = manifest["events"]["read"] - CROWD
    assert MOST < ordered <= others + MOST * CROWD // ROWS_PER_GROUP
