"""Failures keep their exit status and message on every way from where they are raised to the console script."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from tests.full_disk import files_of_at_most
from transforms.publishing.gates import GateFailedError
from transforms.publishing.manifest import EventCounts
from transforms.publishing.publish_run import check_counts
from transforms.tables.artifacts import BuildArtifact
from transforms.tables.failures import (
    DiskFullError,
    Failure,
    RunFailedError,
    UnreadableFileError,
    find_failure,
    is_disk_full,
)
from transforms.tables.stage_counters import StageCounters, StageError

REJECTED = EventCounts(10, 6, {"unknown_track": 4})
MESSAGE = (
    "4 of 10 events were rejected (unknown_track 4), more than the share of 0.1 that --max_rejected_fraction allows"
)
PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=1"]


@pytest.mark.parametrize("flags", [[], PROCESSES], ids=["in this process", "in a worker process"])
def test_a_failure_is_found_behind_the_error_of_a_pipeline(flags: list[str]) -> None:
    with pytest.raises(Exception) as error:
        with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", *flags])) as root:
            _ = root | beam.Create([REJECTED]) | beam.Map(check_counts, 0.1)
    # a worker process passes it on as text
    assert isinstance(error.value, RunFailedError) == (not flags)
    assert find_failure(error.value) == Failure(1, "failed", MESSAGE)


@pytest.mark.parametrize("kind", [RunFailedError, GateFailedError, DiskFullError, UnreadableFileError])
def test_a_failure_keeps_its_mark_however_it_is_wrapped(kind: type[RunFailedError]) -> None:
    expected = Failure(kind.exit_status, "failed", "line 1 line 2 of 'ü'")
    failure = kind(expected.message)
    # Beam builds an exception again, with the step behind its message
    annotated = kind(f"{failure.args[0]} [while running 'PublishRun']")
    as_text = RuntimeError(f"Traceback (most recent call last):\n{kind.__name__}: {annotated}\n")
    for error in (failure, annotated, as_text, RunFailedError(f"stage, bucket 3: {failure}")):
        assert find_failure(error) == expected
    with pytest.raises(StageError) as staged, StageCounters("stage", 3):
        raise failure
    assert find_failure(staged.value) == expected


def test_a_bug_is_no_failure() -> None:
    assert find_failure(ValueError("<homeshelf-failure 0>done</homeshelf-failure>")) is None
    assert find_failure(OSError(errno.EACCES, "Permission denied")) is None


VALUES = np.random.default_rng(1).random(50_000)
WRITERS: dict[str, Callable[[Path], object]] = {
    "numpy": lambda folder: np.save(folder / "a.npy", VALUES),
    "numpy zip": lambda folder: np.savez(folder / "a.npz", a=VALUES),
    "polars": lambda folder: pl.DataFrame({"a": VALUES}).write_parquet(folder / "a.parquet"),
    "pyarrow": lambda folder: pq.write_table(pa.table({"a": VALUES}), folder / "a.parquet"),
    "python": lambda folder: (folder / "a").write_bytes(VALUES.tobytes()),
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_is_a_failure_whoever_writes(writer: Callable[[Path], object], tmp_path: Path) -> None:
    def write(directory: Path) -> None:
        with files_of_at_most(100_000):
            writer(directory)

    with pytest.raises(Exception) as error:
        with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as root:
            _ = root | BuildArtifact(write, folder=str(tmp_path))
    failure = find_failure(error.value)
    assert failure is not None and failure.exit_status == 1
    assert "as on a full disk" in failure.message or os.strerror(errno.EFBIG) in failure.message


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_the_kernel_says_that_the_disk_is_full_by_number_or_in_words(code: int) -> None:
    assert is_disk_full(OSError(code, "any words")) and is_disk_full(RuntimeError(f"io: {os.strerror(code)} (x)"))
    try:
        raise RuntimeError("not written") from OSError(code, "any words")
    except RuntimeError as error:
        assert is_disk_full(error)
    assert not is_disk_full(OSError(errno.EACCES, os.strerror(code)))
