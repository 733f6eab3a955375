"""Counts that a run's input leaves in its metrics."""

from transforms.publishing.input_counts import read_metrics
from transforms.publishing.manifest import LastDayCounts, LedgerFigure, QueueCounts, RunMetrics

LEDGER = '{"tail_recall": {"users": 150, "value": 0.5, "low": 0.25, "high": 0.75}}'


def test_metrics_have_the_ledger_and_the_counts_of_the_last_day_and_of_queues_and_no_others() -> None:
    counts = {
        "last_day/plays": 7,
        "last_day/repeats": 1,
        "queues/made": 4,
        "queues/relaxed": 2,
        "users/cleared/market": 3,
        "read": 9,
    }
    assert read_metrics(RunMetrics(users=5).to_json(), LEDGER, counts) == RunMetrics(
        users=5,
        last_day=LastDayCounts(plays=7, repeats=1),
        queues=QueueCounts(made=4, relaxed=2),
        ledger={"tail_recall": LedgerFigure(150, 0.5, 0.25, 0.75)},
    )
