"""The graph as Beam has it, before anything runs."""

from datetime import datetime, timezone

import apache_beam as beam
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor

from pipelines.home_shelves import Run, build
from pipelines.inputs import Input
from pipelines.options import RunOptions
from transforms.read_tables import Piece


def test_no_table_is_pickled() -> None:
    # Beam falls back to pickle, silently, wherever a type is not declared
    piece = Input((Piece(0, "events.parquet", 0),), {}, 1, None)
    options = RunOptions(events="events.parquet", output="out")
    root = beam.Pipeline(runner="FnApiRunner")
    build(root, Run(options, piece, None, piece, datetime(2026, 1, 1, tzinfo=timezone.utc), "r"), {})
    types: dict[str, object] = {}

    class Visitor(PipelineVisitor):
        def visit_value(self, value: beam.PCollection, producer: AppliedPTransform) -> None:
            types[producer.full_label] = value.element_type

    root.visit(Visitor())
    assert sum("pyarrow" in str(kind) for kind in types.values()) > 50
    untyped = {label for label, kind in types.items() if "Any" in str(kind)}
    # the name of the model
    assert {label.split("(")[0] for label in untyped} == {"ScoreCandidates/Map"}
