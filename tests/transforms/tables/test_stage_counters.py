"""Counters, distributions and peak memory of stages."""

import json
import logging
import mmap
import threading
import time

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.launch.stage_lines import StageLine, collect_stage_lines, to_json_lines
from transforms.publishing.json_records import read_record
from transforms.tables.buckets import Element, MapBuckets
from transforms.tables.columns import Column, Schema
from transforms.tables.stage_counters import STAGE_METRICS, PeakMemory, resident_bytes

NUMBERS = Schema("numbers", (Column("n", pa.int64(), "a number"),))
TABLES = [(key, pa.table({"n": list(range(rows))}, schema=NUMBERS.arrow)) for key, rows in ((1, 1), (2, 3))]
BIG = 200_000_000


def greedy(numbers: pl.DataFrame) -> pl.DataFrame:
    """Twice the rows; for three of them it needs much memory for a moment."""
    if len(numbers) == 3:
        scratch = np.ones(BIG // 8)
        time.sleep(0.1)
        assert scratch.sum() > 0
    return pl.concat([numbers, numbers])


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def result(told: list[str]) -> beam.runners.runner.PipelineResult:
    with pytest.MonkeyPatch.context() as patch:
        logger = logging.getLogger("homeshelf.stages")
        patch.setattr(logger, "info", lambda text, *values: told.append(text % values))
        root = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))
        tables = root | beam.Create(TABLES, reshuffle=False).with_output_types(Element)
        _ = tables | MapBuckets(greedy, out=NUMBERS)
        done = root.run()
        done.wait_until_finish()
    return done


def test_every_metric_has_its_documented_name_and_kind(result: beam.runners.runner.PipelineResult) -> None:
    found = {
        (metric.key.metric.name, kind.removesuffix("s"))
        for kind, metrics in result.metrics().query().items()
        for metric in metrics
        if metric.key.metric.namespace == "greedy"
    }
    assert found == {(metric.name, metric.kind) for metric in STAGE_METRICS}


def test_rows_bytes_time_and_memory_are_counted_and_logged(
    result: beam.runners.runner.PipelineResult, told: list[str]
) -> None:
    before = resident_bytes()
    line, whole = collect_stage_lines(result, 1.5, 2.5)
    assert (line.stage, line.tables, line.rows, line.bytes) == ("greedy", 2, 8, 64)
    assert 0.1 <= line.seconds < 5 and 0 < line.cpu_seconds < 5
    assert BIG < line.peak_bytes < before + 2 * BIG
    assert whole == StageLine("run", seconds=1.5, cpu_seconds=2.5, peak_bytes=line.peak_bytes)
    assert json.loads(whole.to_json()) == {
        "stage": "run",
        "seconds": 1.5,
        "cpu_seconds": 2.5,
        "peak_bytes": line.peak_bytes,
    }
    assert read_record(StageLine, json.loads(line.to_json())) == line
    assert to_json_lines([line, whole]).count("\n") == 2
    assert sum(text.startswith("greedy bucket=2 rows=6 ms=") for text in told) == 1


def test_one_thread_samples_memory_for_all_measurements() -> None:
    watching = [PeakMemory() for _ in range(3)]
    for one in watching:
        one.start()
    # the system gets it back at once, which an allocator may not do
    with mmap.mmap(-1, BIG) as scratch:
        scratch.write(b"x" * BIG)
        time.sleep(0.1)
    peaks = [one.stop() for one in watching]
    assert min(peaks) > resident_bytes() + BIG // 2
    assert sum(thread.name == "transforms.tables.stage_counters" for thread in threading.enumerate()) == 1
