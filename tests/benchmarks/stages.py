"""What the counters of a finished run say of its stages."""

from typing import Any

from apache_beam.metrics import MetricsFilter
from apache_beam.runners.runner import PipelineResult


def stage_times(result: PipelineResult) -> dict[str, dict[str, float]]:
    """Seconds and rows of each stage, longest first (see transforms.buckets.measured)."""
    seconds, rows = _sums(result, "milliseconds"), _sums(result, "rows")
    order = sorted(seconds, key=lambda stage: -seconds[stage])
    return {stage: {"seconds": seconds[stage] / 1000, "rows": rows.get(stage, 0)} for stage in order}


def _sums(result: PipelineResult, name: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for counter in result.metrics().query(MetricsFilter().with_name(name))["counters"]:
        stage: Any = counter.key.metric.namespace
        sums[stage] = sums.get(stage, 0) + counter.committed
    return sums
