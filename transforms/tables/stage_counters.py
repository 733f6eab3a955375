"""Beam counters and distributions of stages and runs, under names that do not change, and the peak memory of stages."""

import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import pyarrow as pa
from apache_beam.metrics import Metrics

from transforms.tables.failures import DiskFullError, is_disk_full

RUN_NAMESPACE = "run"
_progress = logging.getLogger("homeshelf.stages")
# The memory is looked at fifty times a second while a stage is measured.
_PERIOD_SECONDS = 0.02
_STATM = Path("/proc/self/statm")
_watched: "set[PeakMemory]" = set()
_lock = threading.Lock()


class BeamMetric(NamedTuple):
    """A Beam metric: its name, its kind (counter or distribution), and its meaning."""

    name: str
    kind: str
    sentence: str


# In the namespace of each stage, which is the stage's name.
STAGE_METRICS = (
    BeamMetric("rows", "counter", "rows that the stage yielded"),
    BeamMetric(
        "bytes", "counter", "size of what the stage yielded: tables in memory, published tables and artifacts on disk"
    ),
    BeamMetric("milliseconds", "counter", "time spent in the function of the stage"),
    BeamMetric("cpu_milliseconds", "counter", "CPU time of the process meanwhile, of all its threads"),
    BeamMetric("bucket_rows", "distribution", "rows of each table"),
    BeamMetric("bucket_milliseconds", "distribution", "time for each table"),
    BeamMetric("peak_bytes", "distribution", "peak memory of the process while the stage worked on a table"),
)
# In the namespace RUN_NAMESPACE, once a run is published or stopped by the gate.
RUN_METRICS = (
    BeamMetric("events_read", "counter", "events of all users but erased ones"),
    BeamMetric("events_kept", "counter", "events that passed cleaning"),
    BeamMetric("events_erased", "counter", "events of erased users"),
    BeamMetric("rejected_REASON", "counter", "events rejected by cleaning, by reason"),
    BeamMetric("rows_TABLE", "counter", "rows of each published table"),
    BeamMetric("limits_violated", "counter", "run metrics outside their limits"),
)


def resident_bytes() -> int:
    """Return the resident memory in bytes; 0 on systems without /proc."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if _STATM.exists() else 0


class PeakMemory:
    """Peak resident memory of the whole process, all threads included, between start() and stop()."""

    def start(self) -> None:
        """Start measuring; the first measurement in a process starts the sampling thread."""
        self.bytes = resident_bytes()
        with _lock:
            _watched.add(self)
            if not any(thread.name == __name__ for thread in threading.enumerate()):
                threading.Thread(target=_sample_forever, name=__name__, daemon=True).start()

    def stop(self) -> int:
        """Stop measuring, and return the peak in bytes."""
        with _lock:
            _watched.discard(self)
        return max(self.bytes, resident_bytes())


def _sample_forever() -> None:
    while True:
        time.sleep(_PERIOD_SECONDS)
        with _lock:
            now = resident_bytes() if _watched else 0
            for one in _watched:
                one.bytes = max(one.bytes, now)


class StageError(Exception):
    """A stage failed; the message names the stage and the bucket."""


class StageCounters:  # noqa: N801 - reads as a word where it is used
    """Context manager that measures a stage on one bucket.

    On success it updates STAGE_METRICS and logs a progress line; an error becomes a StageError, or a DiskFullError,
    with stage and bucket.
    """

    def __init__(self, stage: str, key: int) -> None:
        """Set the name of the stage and the number of the bucket."""
        self.stage, self.key, self.rows, self.bytes = stage, key, 0, 0

    def record(self, table: pa.Table) -> None:
        """Record the rows and bytes of a stage's output."""
        self.rows, self.bytes = table.num_rows, table.nbytes

    def __enter__(self) -> "StageCounters":
        """Start measuring time and memory."""
        self.memory = PeakMemory()
        self.memory.start()
        self.started, self.cpu_started = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Update the metrics, or raise a StageError or a DiskFullError."""
        peak = self.memory.stop()
        if error is not None:
            text = f"{self.stage}, bucket {self.key}: {type(error).__name__}: {error}"
            raise (DiskFullError(text) if is_disk_full(error) else StageError(text)) from error
        milliseconds = round(1000 * (time.perf_counter() - self.started))
        cpu = round(1000 * (time.process_time() - self.cpu_started))
        counts = {"rows": self.rows, "bytes": self.bytes, "milliseconds": milliseconds, "cpu_milliseconds": cpu}
        add_counts(self.stage, counts)
        for name, value in (("bucket_rows", self.rows), ("bucket_milliseconds", milliseconds), ("peak_bytes", peak)):
            Metrics.distribution(self.stage, name).update(value)
        _progress.info("%s bucket=%d rows=%d ms=%d", self.stage, self.key, self.rows, milliseconds)


def add_counts(namespace: str, counts: Mapping[str, int]) -> None:
    """Add to Beam counters by name."""
    for name, n in counts.items():
        Metrics.counter(namespace, name).inc(n)
