"""Rows, time and memory of each stage of a finished run, from its Beam counters."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from apache_beam.runners.runner import PipelineResult

from transforms.tables.stage_counters import RUN_NAMESPACE, STAGE_METRICS


@dataclass(frozen=True)
class StageLine:
    """Figures of one stage, or of the whole run, which has neither tables nor rows nor bytes.

    tables: calls of the stage. rows, bytes: what the stage yielded. cpu_seconds: of its process, all threads; where
    workers are threads of one process, other stages' too. peak_bytes: largest memory of its process.
    """

    stage: str
    tables: int | None = None
    rows: int | None = None
    bytes: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0

    def to_json(self) -> str:
        """Return the line as a JSON object without the values that it does not have."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})


def collect_stage_lines(result: PipelineResult, seconds: float, cpu_seconds: float) -> list[StageLine]:
    """Return one line per stage, the longest first, and a last one of the whole run with its time and CPU time."""
    found: dict[str, StageLine] = {}
    metrics, names = result.metrics().query(), {metric.name for metric in STAGE_METRICS}
    for counter in metrics["counters"]:
        stage, name = counter.key.metric.namespace, counter.key.metric.name
        if name in names and stage != RUN_NAMESPACE:
            line = found.get(stage, StageLine(stage, tables=0, rows=0, bytes=0))
            found[stage] = _with_counter(line, name, counter.committed)
    for distribution in metrics["distributions"]:
        stage, name = distribution.key.metric.namespace, distribution.key.metric.name
        if stage in found and name == "peak_bytes":
            line = found[stage]
            tables = (line.tables or 0) + distribution.committed.count
            found[stage] = replace(line, tables=tables, peak_bytes=max(line.peak_bytes, distribution.committed.max))
    peak = max((line.peak_bytes for line in found.values()), default=0)
    whole = StageLine(RUN_NAMESPACE, seconds=round(seconds, 3), cpu_seconds=round(cpu_seconds, 3), peak_bytes=peak)
    return [*sorted(found.values(), key=lambda line: (-line.seconds, line.stage)), whole]


def _with_counter(line: StageLine, name: str, n: int) -> StageLine:
    """Add one counter of STAGE_METRICS to a line."""
    if name == "rows":
        return replace(line, rows=(line.rows or 0) + n)
    if name == "bytes":
        return replace(line, bytes=(line.bytes or 0) + n)
    if name == "cpu_milliseconds":
        return replace(line, cpu_seconds=round(line.cpu_seconds + n / 1000, 3))
    return replace(line, seconds=round(line.seconds + n / 1000, 3))


def to_json_lines(lines: Iterable[StageLine]) -> str:
    """Return the lines as JSON, one object a line."""
    return "".join(f"{line.to_json()}\n" for line in lines)
