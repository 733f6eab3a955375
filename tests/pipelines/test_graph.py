"""The graph as Beam builds it, before anything runs."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import cache

import apache_beam as beam
import pytest
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor

from pipelines.backtest import Cutoff, build_backtest
from pipelines.evaluation.baselines import BASELINES
from pipelines.evaluation.tuning import first_grid_points
from pipelines.home_shelves import build_home_shelves
from pipelines.inputs.inputs import InputTable
from pipelines.inputs.plan import RunPlan
from pipelines.options.evaluation_options import EvaluateOptions
from pipelines.options.options import RunOptions
from tests.benchmarks.stage_times import PUBLISHING
from transforms.now_playing.queues.queue_tables import QueuePolicy
from transforms.publishing.gates import GateSettings
from transforms.publishing.manifest import Manifest
from transforms.reading.source_columns import RowGroup
from transforms.tables.files import ListedFile

GATE = GateSettings(0.05, "warn", {}, None)
PIECE = InputTable((RowGroup(0, ListedFile("events.parquet", 100, 0.0), 0, 1),), {}, 1)
AS_OF = datetime(2026, 1, 1, tzinfo=timezone.utc)


def build_run(root: beam.Pipeline) -> None:
    options = RunOptions(events="events.parquet", output="out")
    build_home_shelves(root, RunPlan(options, PIECE, None, PIECE, AS_OF, "out/ds=2025-12-31/run=r"), Manifest(), GATE)


def build_playing(root: beam.Pipeline) -> None:
    options = RunOptions(events="events.parquet", output="out")
    queues = QueuePolicy(AS_OF, 1)
    run = RunPlan(
        options, PIECE, None, PIECE, AS_OF, "out/ds=2025-12-31/run=r", surfaces=("now_playing",), queues=queues
    )
    build_home_shelves(root, run, Manifest(), GATE)


def build_evaluation(root: beam.Pipeline) -> None:
    options = EvaluateOptions(events="events.parquet", output="out")
    run = RunPlan(options, PIECE, None, PIECE, AS_OF, "out/cutoff=20260101T000000")
    week = timedelta(days=7)
    build_backtest(
        root, Cutoff(run, timedelta(), week, first_grid_points(BASELINES), {"theirs": PIECE}, None, True, 100, 100, 10)
    )


@cache
def laid_out(graph: Callable[[beam.Pipeline], None]) -> beam.Pipeline:
    """Lay out a graph once for all tests; nothing runs."""
    root = beam.Pipeline(runner="FnApiRunner")
    graph(root)
    return root


def test_a_run_for_now_playing_writes_its_tables_and_no_pages() -> None:
    labels: set[str] = set()

    class Visitor(PipelineVisitor):
        def enter_composite_transform(self, transform: AppliedPTransform) -> None:
            labels.add(transform.full_label)

    laid_out(build_playing).visit(Visitor())
    assert {"WriteQueues", "WriteSeeds", "WriteSuccessors"} <= labels and "WritePages" not in labels


def test_the_scale_benchmark_finds_the_parts_that_publish() -> None:
    labels: set[str] = set()

    class Visitor(PipelineVisitor):
        def enter_composite_transform(self, transform: AppliedPTransform) -> None:
            labels.add(transform.full_label.rsplit("/", 1)[-1])

    laid_out(build_run).visit(Visitor())
    assert set(PUBLISHING) <= labels


@pytest.mark.parametrize("graph", [build_run, build_evaluation])
def test_no_table_is_pickled(graph: Callable[[beam.Pipeline], None]) -> None:
    # Beam falls back to pickle, silently, wherever a type is not declared
    types: dict[str, object] = {}

    class Visitor(PipelineVisitor):
        def visit_value(self, value: beam.PCollection, producer: AppliedPTransform) -> None:
            types[producer.full_label] = value.element_type

    laid_out(graph).visit(Visitor())
    assert sum("pyarrow" in str(kind) for kind in types.values()) > 50
    untyped = {label for label, kind in types.items() if "Any" in str(kind)}
    # the name of the model
    assert {label.split("(")[0] for label in untyped} == {"ScoreCandidates/Map"}
