"""A service around a sample world: the log that its runs read, and the pages that its listeners are served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.loop.arms import Arm
from pipelines.loop.faults import inject_fault
from pipelines.loop.page_cards import as_cards
from pipelines.sample_world.serving.response import Response
from pipelines.sample_world.serving.serve_day import ServedDay, day_tables, serve_day
from pipelines.sample_world.serving.served_world import ServedWorld

_DAY = timedelta(days=1)
_HISTORY = "history"


@dataclass
class Service:
    """A world, and the folder of its log.

    arms: the policies that serve it. arm: int [U], which of them serves each user. tables: users and tracks, with those
    to come. late: events that happened and have not arrived.
    """

    world: ServedWorld
    folder: Path
    arms: Sequence[Arm]
    arm: np.ndarray
    tables: Mapping[str, pa.Table]
    late: pa.Table

    def inputs(self, as_of: datetime) -> list[str]:
        """Write what the service knows of users and tracks, and return the flags of a run that reads the log."""
        known = {
            "users": self.tables["users"].filter(pc.less(self.tables["users"]["created_at"], as_of)),
            "tracks": self.tables["tracks"].filter(pc.less(self.tables["tracks"]["release_date"], as_of.date())),
        }
        paths = {name: self._write(name, _day_name(as_of), table) for name, table in known.items()}
        return [
            f"--events={self.folder}/events",
            f"--impressions={self.folder}/impressions",
            f"--tracks={paths['tracks']}",
            f"--users_table={paths['users']}",
            f"--as_of={as_of:%Y-%m-%dT%H:%M:%S}",
        ]

    def serve(
        self,
        cards: Sequence[pl.DataFrame],
        starts_at: datetime,
        seed: Sequence[int],
        faults: Sequence[tuple[str, float]],
    ) -> ServedDay:
        """Serve a day and log it; `cards`: the pages of each arm, of which a user sees those of one."""
        own = [rows.filter(pl.Series(self.arm == number).gather(rows["user"])) for number, rows in enumerate(cards)]
        served = as_cards(pl.concat(own).sort("user", maintain_order=True), len(self.arm))
        ms = int(starts_at.timestamp() * 1000)
        self.world, day = serve_day(np.random.default_rng(seed), self.world, served, Response(), ms)
        policy = pa.array([arm.name for arm in self.arms]).take(pa.array(self.arm))
        tables = day_tables(self.world, day, policy)
        for number, (kind, share) in enumerate(faults):
            tables = inject_fault(tables, kind, share, number)
        self._log(tables, starts_at)
        return day

    def _log(self, tables: Mapping[str, pa.Table], starts_at: datetime) -> None:
        """Write the impressions of a day, and the events that arrived on it."""
        events = pa.concat_tables([self.late, tables["events"]])
        has_arrived = pc.less(events["arrived_at"], starts_at + _DAY)
        self.late = events.filter(pc.invert(has_arrived))
        self._write("events", _day_name(starts_at), events.filter(has_arrived))
        self._write("impressions", _day_name(starts_at), tables["impressions"])

    def _write(self, name: str, part: str, table: pa.Table) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{part}.parquet"
        pq.write_table(table, path, compression="zstd", compression_level=1)
        return path


def open_service(
    world: ServedWorld, tables: Mapping[str, pa.Table], folder: Path, arms: Sequence[Arm], arm: np.ndarray
) -> Service:
    """Start a service in an empty folder with the log of the days before it."""
    service = Service(world, folder, arms, arm, tables, tables["events"].slice(0, 0))
    for name in ("events", "impressions"):
        service._write(name, _HISTORY, tables[name])
    return service


def _day_name(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
