"""Rows of the input tables of a run: all that were there are read, and those that are rejected are counted."""

import json
from collections.abc import Mapping
from dataclasses import replace

from transforms.events.last_day import LAST_DAY
from transforms.now_playing.queues.count_queues import QUEUE_COUNTS
from transforms.publishing.json_records import read_record
from transforms.publishing.manifest import EventCounts, InputSummary, LastDayCounts, QueueCounts, RunMetrics
from transforms.tables.failures import RunFailedError


def check_all_read(events: EventCounts, inputs: Mapping[str, InputSummary]) -> None:
    """Check that the events read are all that the files had before the run (RunFailedError: they are not)."""
    num_rows = sum(inputs[name].rows for name in ("events", "state") if name in inputs)
    if "events" in inputs and events.read + events.erased != num_rows:
        raise RunFailedError(f"{events.read + events.erased:,} events were read, but the files had {num_rows:,} before")


def with_counts(table: InputSummary, counts: Mapping[str, int], name: str) -> InputSummary:
    """Add the counts of rejected rows and of cleared and unreadable values to the summary of an input table."""
    rejected, cleared, unreadable = (
        without_prefix(counts, f"{name}/{kind}/") for kind in ("rejected", "cleared", "unreadable")
    )
    # those of events stand on their own in the manifest
    rejected = {} if name == "events" else rejected
    return replace(table, rejected=rejected, cleared=cleared, unreadable=unreadable)


def without_prefix(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    """Return the counts whose names start with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}


def read_metrics(text: str, ledger: str, counts: Mapping[str, int]) -> RunMetrics:
    """Read the JSON texts of measure_run() and of the ledger, and add the counts of the last day and of queues."""
    return replace(
        read_record(RunMetrics, {**json.loads(text), "ledger": json.loads(ledger)}),
        last_day=LastDayCounts(**without_prefix(counts, LAST_DAY)),
        queues=QueueCounts(**without_prefix(counts, QUEUE_COUNTS)),
    )
