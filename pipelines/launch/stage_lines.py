"""What the counters of a finished run say of its stages: one object each, for logs and for the run's page."""

import json
from collections.abc import Mapping
from typing import Any

from apache_beam.runners.runner import PipelineResult

from transforms.tables.stage_counters import RUN_NAMESPACE, STAGE_METRICS

StageLine = Mapping[str, Any]


def collect_stage_lines(result: PipelineResult, seconds: float) -> list[StageLine]:
    """One line per stage, the longest first, and a last one of the whole run, which took so many seconds.

    tables: how often the stage was called. rows, bytes: what it yielded. peak_bytes: the most memory of its process.
    """
    found: dict[str, dict[str, int]] = {}
    metrics, names = result.metrics().query(), {metric.name for metric in STAGE_METRICS}
    for counter in metrics["counters"]:
        stage, name = counter.key.metric.namespace, counter.key.metric.name
        if name in names and stage != RUN_NAMESPACE:
            of_stage = found.setdefault(stage, {"rows": 0, "bytes": 0, "milliseconds": 0, "tables": 0, "peak_bytes": 0})
            of_stage[name] += counter.committed
    for distribution in metrics["distributions"]:
        stage, name = distribution.key.metric.namespace, distribution.key.metric.name
        if stage in found and name == "peak_bytes":
            found[stage]["tables"] += distribution.committed.count
            found[stage]["peak_bytes"] = max(found[stage]["peak_bytes"], distribution.committed.max)
    lines = [_line(stage, of_stage) for stage, of_stage in found.items()]
    peak = max((line["peak_bytes"] for line in lines), default=0)
    return [*sorted(lines, key=lambda line: (-line["seconds"], line["stage"])), _whole(seconds, peak)]


def _line(stage: str, of_stage: Mapping[str, int]) -> StageLine:
    sizes = {name: of_stage[name] for name in ("tables", "rows", "bytes")}
    return {"stage": stage, **sizes, "seconds": of_stage["milliseconds"] / 1000, "peak_bytes": of_stage["peak_bytes"]}


def _whole(seconds: float, peak: int) -> StageLine:
    return {"stage": RUN_NAMESPACE, "seconds": round(seconds, 3), "peak_bytes": peak}


def to_json_lines(lines: list[StageLine]) -> str:
    """JSON, one object a line."""
    return "".join(f"{json.dumps(line)}\n" for line in lines)
