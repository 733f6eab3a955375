"""Runs of the main job in this process, and their published files."""

import hashlib
import json
from pathlib import Path

import polars as pl

from pipelines.cli import main

# Small enough for a second of training.
TOWERS = ["--tower_size=8", "--num_tower_epochs=1", "--num_negatives=64", "--num_neighbours=30"]
# Counting trains in no time: tests that do not concern the ranker have this one.
POPULARITY = ["--ranker_model=popularity"]
DCN = ["--ranker_model=dcn_v2", "--num_epochs=2", "--embedding_size=8", "--hidden_units=16", "--batch_size=512"]
# Every bucket costs a fixed time. Other tests run with 1, 7, 16 and 64 buckets and expect the same result.
FAST = [*TOWERS, *POPULARITY, "--as_of=2026-01-01", "--num_buckets=2"]


class Published:
    """A run as a consumer finds it, through the pointer."""

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
        """Return the hashes of the files on disk, for comparison with hashes()."""
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


def reuse(run: Published, *, ranker: bool = True, embeddings: bool = True) -> list[str]:
    """Return flags that take models from a run: nothing is trained, or only what is False."""
    flags = [f"--ranker={run.folder}"] if ranker else []
    return [*flags, f"--embeddings={run.folder}", "--num_warm_epochs=0"] if embeddings else flags


def cards(pages: pl.DataFrame) -> pl.DataFrame:
    """Return one row per track on a page."""
    shelves = pages.explode("shelves", empty_as_null=True).select(
        "user_id", pl.col("shelves").struct.unnest().name.prefix("shelf_")
    )
    shelves = shelves.rename({"shelf_shelf_id": "shelf_id", "shelf_tracks": "tracks"})
    return shelves.explode("tracks", empty_as_null=True).unnest("tracks")
