import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path

import polars as pl
import pytest

from pipelines.cli import main
from pipelines.sample_world import write_sample_world

# Small enough for a second of training, large enough for every shelf.
ENDS_AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
FAST = ["--num_epochs=2", "--embedding_size=8", "--hidden_units=16", "--batch_size=512", "--as_of=2026-01-01"]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_sample_world(folder, num_users=150, num_tracks=2000, num_days=40, seed=5, ends_at=ENDS_AT)
    return folder


class Published:
    """A run as a consumer finds it: through the pointer."""

    def __init__(self, output: Path) -> None:
        (self.pointer,) = output.glob("ds=*/CURRENT")
        self.folder = self.pointer.parent / self.pointer.read_text().strip()
        self.manifest = json.loads((self.folder / "manifest.json").read_text())

    def table(self, name: str) -> pl.DataFrame:
        return pl.concat(pl.read_parquet(self.folder / file["path"]) for file in self.manifest["tables"][name]["files"])

    def hashes(self) -> dict[str, str]:
        tables = self.manifest["tables"].values()
        return {file["path"]: file["sha256"] for table in tables for file in table["files"]}

    def read_hashes(self) -> dict[str, str]:
        """As hashes(), of the files as they lie there."""
        return {path: hashlib.sha256((self.folder / path).read_bytes()).hexdigest() for path in self.hashes()}


def run_on(world: Path, output: Path, *flags: str, events: Path | None = None) -> Published:
    """Run the main job on a world in this process."""
    tables = [
        f"--events={events or world / 'events'}",
        f"--tracks={world / 'tracks'}",
        f"--users_table={world / 'users'}",
    ]
    assert main(["run", *tables, f"--output={output}", *FAST, *flags]) == 0
    return Published(output)


@pytest.fixture(scope="session")
def published(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return run_on(world, tmp_path_factory.mktemp("published"), "--num_buckets=7")


def cards(pages: pl.DataFrame) -> pl.DataFrame:
    """One row per track on a page."""
    shelves = pages.explode("shelves").select("user_id", pl.col("shelves").struct.unnest().name.prefix("shelf_"))
    shelves = shelves.rename({"shelf_shelf_id": "shelf_id", "shelf_tracks": "tracks"})
    return shelves.explode("tracks").unnest("tracks")
