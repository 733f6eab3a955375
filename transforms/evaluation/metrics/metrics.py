"""METRICS: everything that an evaluation measures of ranked lists. Adding a metric is adding one entry."""

from transforms.evaluation.metrics.accuracy import ACCURACY_METRICS
from transforms.evaluation.metrics.beyond_accuracy import LIST_METRICS
from transforms.evaluation.metrics.catalogue import CATALOGUE_METRICS
from transforms.evaluation.metrics.metric import Metric, MetricRows, ReportTable
from transforms.evaluation.metrics.pages import PAGE_METRICS
from transforms.evaluation.metrics.ranker import RANKER_METRICS
from transforms.plugins import plugin_entries

# The order is that of rows and columns in the report.
METRICS: tuple[Metric, ...] = (
    *ACCURACY_METRICS,
    *PAGE_METRICS,
    *LIST_METRICS,
    *RANKER_METRICS,
    *CATALOGUE_METRICS,
    *plugin_entries("METRICS"),
)


def metrics_over(rows: MetricRows) -> tuple[Metric, ...]:
    """Return the metrics that are computed from these rows."""
    return tuple(metric for metric in METRICS if metric.over == rows)


def metrics_in_table(table: ReportTable) -> tuple[Metric, ...]:
    """Return the metrics that a table of the report shows, in order."""
    return tuple(metric for metric in METRICS if table in metric.tables)
