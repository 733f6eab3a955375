"""What a run says of itself while it is at work: counters and distributions under names that do not change."""

import logging
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa
from apache_beam.metrics import Metrics

from transforms.tables.memory import PeakMemory

RUN_NAMESPACE = "run"
_progress = logging.getLogger("homeshelf.stages")


class BeamMetric(NamedTuple):
    """A Beam metric: its name, whether it is a counter or a distribution, and what it says."""

    name: str
    kind: str
    sentence: str


# In the namespace of each stage, which is the stage's name.
STAGE_METRICS = (
    BeamMetric("rows", "counter", "rows that the stage yielded"),
    BeamMetric("bytes", "counter", "their size: of tables in memory, of what is published or an artifact in its files"),
    BeamMetric("milliseconds", "counter", "time within the stage's function"),
    BeamMetric("bucket_rows", "distribution", "rows, table by table"),
    BeamMetric("bucket_milliseconds", "distribution", "time, table by table"),
    BeamMetric("peak_bytes", "distribution", "the most memory of its process while it worked on a table"),
)
# In the namespace RUN, once a run is published or held back by the gate.
RUN_METRICS = (
    BeamMetric("events_read", "counter", "events of users who are not to be forgotten"),
    BeamMetric("events_kept", "counter", "events that count"),
    BeamMetric("events_erased", "counter", "events of users to be forgotten"),
    BeamMetric("rejected_REASON", "counter", "events that do not count, by reason"),
    BeamMetric("rows_TABLE", "counter", "rows of each published table"),
    BeamMetric("limits_broken", "counter", "figures out of their limits"),
)


class StageError(Exception):
    """A stage failed; the message names the stage and the bucket."""


class StageCounters:  # noqa: N801 - reads as a word where it is used
    """Time a stage on one bucket: STAGE_METRICS, one progress line, and an error that says where."""

    def __init__(self, stage: str, key: int) -> None:
        """Name what is measured."""
        self.stage, self.key, self.rows, self.bytes = stage, key, 0, 0

    def record(self, table: pa.Table) -> None:
        """Say what came out."""
        self.rows, self.bytes = table.num_rows, table.nbytes

    def __enter__(self) -> "StageCounters":
        """Start the clock."""
        self.memory = PeakMemory()
        self.memory.start()
        self.started = time.perf_counter()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Count, or say where it broke."""
        peak = self.memory.stop()
        if error is not None:
            raise StageError(f"{self.stage}, bucket {self.key}: {type(error).__name__}: {error}") from error
        milliseconds = round(1000 * (time.perf_counter() - self.started))
        add_counts(self.stage, {"rows": self.rows, "bytes": self.bytes, "milliseconds": milliseconds})
        for name, value in (("bucket_rows", self.rows), ("bucket_milliseconds", milliseconds), ("peak_bytes", peak)):
            Metrics.distribution(self.stage, name).update(value)
        _progress.info("%s bucket=%d rows=%d ms=%d", self.stage, self.key, self.rows, milliseconds)


def add_counts(namespace: str, counts: Mapping[str, int]) -> None:
    """Add to counters."""
    for name, n in counts.items():
        Metrics.counter(namespace, name).inc(n)
