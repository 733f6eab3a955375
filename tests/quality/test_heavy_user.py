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
NUM_EVENTS, MAX_EVENTS, ROWS_PER_GROUP = 2_000_000, 100_000, 400_000
# libraries with TensorFlow take 0.9 GB; the rest are rows read, cleaned, rejected and published in tables of a million
ALLOWED_BYTES = 1_900_000_000


def run_main(argv: list[str]) -> int:
    return main(argv)


def write_heavy_user(events: Path) -> None:
    rng = np.random.default_rng(1)
    tracks = pl.read_parquet(events / "*.parquet")["track_id"].unique().sort()
    micros = int(ENDS_AT.timestamp() * 1e6) - rng.integers(1, 40 * 86_400_000_000, NUM_EVENTS)
    pl.DataFrame(
        {
            "user_id": pl.repeat("bot", NUM_EVENTS, eager=True),
            "track_id": tracks.gather(rng.integers(len(tracks), size=NUM_EVENTS)),
            "played_at": pl.Series(micros).cast(pl.Datetime("us", "UTC")),
            "ms_played": rng.integers(0, 300_000, NUM_EVENTS),
        }
    ).write_parquet(events / "heavy_user.parquet", row_group_size=ROWS_PER_GROUP)


def test_two_million_events_of_one_user_take_bounded_memory(tmp_path: Path) -> None:
    world = tmp_path / "world"
    write_sample_world(world, WorldSpec(num_users=60, num_tracks=600, num_days=40, seed=6, ends_at=ENDS_AT))
    users = pl.read_parquet(world / "events" / "*.parquet")["user_id"].n_unique()
    write_heavy_user(world / "events")
    tables = [f"--events={world}/events", f"--tracks={world}/tracks", f"--output={tmp_path}/out"]
    child = in_child(run_main, argv=["run", *tables, *FAST, "--mode=features"])
    assert child.result == 0
    (path,) = tmp_path.glob("out/ds=*/run=*/manifest.json")
    manifest = json.loads(path.read_text())
    rejected = manifest["events"]["rejected"]
    assert rejected["over_max_user_events"] + rejected.get("exact_duplicate", 0) == NUM_EVENTS - MAX_EVENTS
    surplus = pl.read_parquet(path.parent / "rejected" / "*.parquet").filter(reason="over_max_user_events")
    assert surplus["user_id"].unique().to_list() == ["bot"]
    # the examples are of other users; the newest events of the heavy user are all of the last days
    examples = pl.read_parquet(path.parent / "features" / "*.parquet")["user_id"]
    assert 10 < examples.n_unique() < users
    assert child.peak_bytes < ALLOWED_BYTES, child
    # surplus events are dropped before the shuffle: a table keeps at most as many events of a user as count
    stages = map(json.loads, (path.parent / "stages.jsonl").read_text().splitlines())
    (ordered,) = (stage["rows"] for stage in stages if stage["stage"] == "order_histories")
    others = manifest["events"]["read"] - NUM_EVENTS
    assert MAX_EVENTS < ordered <= others + MAX_EVENTS * NUM_EVENTS // ROWS_PER_GROUP
