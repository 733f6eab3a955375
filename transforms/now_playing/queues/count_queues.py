"""Counts of queues, for the metrics of a run."""

import polars as pl

from transforms.tables.counts import counts_frame

QUEUE_COUNTS = "queues/"


def count_queues(queues: pl.DataFrame) -> pl.DataFrame:
    """QUEUES -> COUNTS: how many there are, and in how many a rule of order was relaxed."""
    relaxed = int((queues["relaxed"].list.len() > 0).sum())
    return counts_frame({f"{QUEUE_COUNTS}made": len(queues), f"{QUEUE_COUNTS}relaxed": relaxed})
