"""Small Beam graphs of single stages, run in this process."""

import pickle
import tempfile
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl
import polars.selectors as cs
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from transforms.candidates.new_tracks import NEW_TRACK_MATCHES
from transforms.features.hydrate import Snapshot
from transforms.tables.buckets import Element
from transforms.tables.columns import Schema, to_frame, to_table


def run_graph(build: Callable[[beam.Pipeline], beam.PCollection]) -> list[Any]:
    """Run the graph that `build` lays out on a pipeline; return the elements of its result, in no order."""
    (elements,) = run_graphs(lambda root: [build(root)])
    return elements


def run_graphs(build: Callable[[beam.Pipeline], Iterable[beam.PCollection]]) -> list[list[Any]]:
    """Run a graph with several results; return the elements of each."""
    with tempfile.TemporaryDirectory() as scratch:
        folders: list[Path] = []
        with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as root:
            for number, result in enumerate(build(root)):
                folders.append(Path(scratch, str(number)))
                folders[-1].mkdir()
                _ = result | f"Keep {number}" >> beam.Map(_keep, str(folders[-1]))
        return [[pickle.loads(path.read_bytes()) for path in folder.iterdir()] for folder in folders]


def _keep(element: object, folder: str) -> None:
    Path(folder, uuid.uuid4().hex).write_bytes(pickle.dumps(element))


def tables_of(root: beam.Pipeline, name: str, schema: Schema, frames: Iterable[pl.DataFrame]) -> beam.PCollection:
    """Create one table per frame, keyed 0, 1, ... like buckets; `name` is the label."""
    tables = [(number, to_table(frame, schema)) for number, frame in enumerate(frames)]
    return root | name >> beam.Create(tables, reshuffle=False).with_output_types(Element)


def element_of(root: beam.Pipeline, name: str, value: object) -> beam.PCollection:
    """Create a PCollection of one element, such as the path of an artifact."""
    return root | name >> beam.Create([value])


def snapshot_of(root: beam.Pipeline, folder: Path, new_tracks: pl.DataFrame, as_of: datetime) -> Snapshot:
    """Create the inputs of candidates from what snapshot_inputs() of tests/worlds.py wrote to `folder`."""
    (embeddings,) = folder.glob("embeddings-*")
    return Snapshot(
        element_of(root, "catalog", str(folder)),
        element_of(root, "embeddings", str(embeddings)),
        tables_of(root, "new_tracks", NEW_TRACK_MATCHES, [new_tracks]),
        as_of,
    )


def joined(elements: Iterable[tuple[int, pa.Table]]) -> pl.DataFrame:
    """Concatenate tables; dictionary columns become strings, so that tables of different buckets agree."""
    frames = [to_frame(table) for _, table in sorted(elements, key=lambda element: element[0])]
    return pl.concat(frame.with_columns(cs.enum().cast(pl.String)) for frame in frames)
