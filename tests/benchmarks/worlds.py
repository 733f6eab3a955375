"""Sample worlds on disk, made once and kept; they differ in their sizes alone."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow.parquet as pq

from pipelines.sample_world import world as sample_world
from tests.benchmarks.child_process import in_child
from transforms.tables.schemas import EVENT_ROWS

NUM_TRACKS = 20_000
NUM_DAYS = 60  # about 192 events a user
SEED = 1
ENDS_AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
# A run that stands a day before the end has events to reject.
AS_OF = ENDS_AT - timedelta(days=1)


@dataclass(frozen=True)
class World:
    """A sample world: its folder and the size of its events."""

    folder: Path
    num_users: int
    num_events: int
    parquet_bytes: int  # of the events' files, all columns

    @property
    def event_files(self) -> list[str]:
        """Return the files of the events; each holds whole users."""
        return [str(path) for path in sorted((self.folder / "events").glob("*.parquet"))]

    def arrow_bytes(self) -> int:
        """Return the bytes of the columns that a run reads, uncompressed in memory, strings as strings."""
        columns = EVENT_ROWS.names
        return sum(pq.read_table(path, columns=columns).nbytes for path in self.event_files)


def find_world(data: Path, num_users: int, num_tracks: int = NUM_TRACKS) -> World:
    """Return the world of a size below `data`; make it where it does not exist."""
    folder = data / f"world-{num_users}-users-{num_tracks}-tracks-{NUM_DAYS}-days-{_version()}"
    if not folder.exists():
        draft = folder.with_name(f"{folder.name}.draft")
        in_child(write_world, folder=str(draft), num_users=num_users, num_tracks=num_tracks)
        draft.rename(folder)
    files = sorted((folder / "events").glob("*.parquet"))
    num_events = sum(pq.read_metadata(path).num_rows for path in files)
    return World(folder, num_users, num_events, sum(path.stat().st_size for path in files))


def _version() -> str:
    """Return a hash of the generator's source, so that worlds of other generators are not reused."""
    sources = sorted(Path(sample_world.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]


def write_world(folder: str, num_users: int, num_tracks: int) -> dict[str, int]:
    """Write the sample world in a process of its own, whose memory is given back afterwards."""
    spec = sample_world.WorldSpec(
        num_users=num_users, num_tracks=num_tracks, num_days=NUM_DAYS, seed=SEED, ends_at=ENDS_AT
    )
    return sample_world.write_sample_world(Path(folder), spec)
