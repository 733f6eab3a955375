"""Times of stages, read from the counters of a finished run."""

import re
from typing import Any

from apache_beam.metrics import MetricsFilter
from apache_beam.runners.runner import PipelineResult

from tests.benchmarks.report import Table

Stages = dict[str, dict[str, float]]
# Labels of the parts of the graph that publish, check and report.
PUBLISHING = (
    "WritePages",
    "ListCards",
    "WriteCards",
    "WriteCandidates",
    "WriteRejected",
    "Write features",
    "Write holdout",
    "PublishCandidates",
    "SampleFeatures",
    "WriteFeatures",
    "Name features",
    "Name holdout",
    "MeasureRun",
    "PublishRun",
)
_PUBLISHING_STEP = re.compile(rf"(?:^|_)({'|'.join(PUBLISHING)})")


def stage_times(result: PipelineResult) -> Stages:
    """Return seconds and rows of each stage, longest first (see transforms.tables.stage_counters.StageCounters)."""
    seconds, rows = _sums(result, "milliseconds"), _sums(result, "rows")
    order = sorted(seconds, key=lambda stage: -seconds[stage])
    return {stage: {"seconds": seconds[stage] / 1000, "rows": rows.get(stage, 0)} for stage in order}


def publishing_seconds(result: PipelineResult) -> dict[str, float]:
    """Return seconds of the parts of the graph that publish and check, longest first."""
    found: dict[str, float] = {}
    for counter in result.metrics().query(MetricsFilter().with_name("milliseconds"))["counters"]:
        if match := _PUBLISHING_STEP.search(counter.key.step):
            found[match[1]] = found.get(match[1], 0.0) + counter.committed / 1000
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _sums(result: PipelineResult, name: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for counter in result.metrics().query(MetricsFilter().with_name(name))["counters"]:
        stage: Any = counter.key.metric.namespace
        sums[stage] = sums.get(stage, 0) + counter.committed
    return sums


def inside(stages: Stages) -> float:
    """Return the seconds within stages."""
    return sum(stage["seconds"] for stage in stages.values())


def where_time_went(result: dict[str, Any], seconds: float, most: int = 5) -> str:
    """Format the longest stages, and the time outside all of them, in one line."""
    stages: Stages = result["stages"]
    named = [f"{name} {stage['seconds'] / seconds:.0%}" for name, stage in list(stages.items())[:most]]
    return f"{', '.join(named)}; outside stages {1 - inside(stages) / seconds:.0%}"


def stage_table(title: str, stages: Stages, seconds: float, most: int = 12) -> Table:
    """Return a table of the longest stages; the others share one row."""
    rows = [(name, stage["seconds"], f"{stage['rows']:,.0f}") for name, stage in stages.items()]
    if rest := rows[most:]:
        rows = [*rows[:most], (f"{len(rest)} more stages", sum(row[1] for row in rest), "")]
    rows.append(("outside stages", seconds - inside(stages), ""))
    shown = [(name, f"{spent:.2f}", f"{spent / seconds:.1%}", count) for name, spent, count in rows]
    return Table(title, ("stage", "seconds", "of the run", "rows out"), shown)


def outside_table(result: dict[str, Any], seconds: float) -> Table:
    """Return a table of the sampled time outside stages."""
    rows = [(name, f"{spent:.2f}", f"{spent / seconds:.1%}") for name, spent in result["outside"].items()]
    return Table("Outside stages, by innermost function (sampled)", ("function", "seconds", "of the run"), rows)
