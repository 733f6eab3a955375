"""Store the successors of all tracks as one artifact that composers of queues look up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.catalog.track_codes import open_tracks
from transforms.now_playing.successor_lists import write_successor_lists
from transforms.now_playing.successor_tables import SUCCESSOR_ROWS
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.buckets import Opened
from transforms.tables.columns import to_frame


@dataclass(eq=False)
class StoreSuccessors(beam.PTransform):
    """store_successors() on one worker: SUCCESSOR_ROWS in, the path of the artifact out."""

    tracks_path: beam.PCollection
    folder: str

    def expand(self, successors: beam.PCollection) -> beam.PCollection:
        """Build one artifact."""
        return successors.pipeline | BuildArtifact(
            store_successors,
            folder=self.folder,
            successors=[successors],
            tracks=Opened(self.tracks_path, open_tracks),
        )


def store_successors(directory: Path, *, successors: Sequence[tuple[int, pa.Table]], tracks: pl.DataFrame) -> None:
    """Write the successors of every track, the likeliest first."""
    tables = [SUCCESSOR_ROWS.empty(), *(table for _, table in successors)]
    write_successor_lists(directory, to_frame(pa.concat_tables(tables).unify_dictionaries()), len(tracks))
