"""Publish the run: hold its counts to account, write the manifest last, then move the pointer."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import apache_beam as beam
import polars as pl

from transforms.candidates.sources import disabled_sources
from transforms.catalog.catalog import open_catalog
from transforms.pages.shelves.shelves import disabled_shelves
from transforms.publishing.gates import GateFailedError, GateSettings, check_limits
from transforms.publishing.manifest import MANIFEST, POINTER, relative_path
from transforms.ranking.ranker_files import read_histograms, read_training_report
from transforms.tables.artifacts import local_copy
from transforms.tables.buckets import CombineBuckets, Element, as_side_input
from transforms.tables.counts import COUNTS, counts_by_name, counts_frame, sum_counts
from transforms.tables.files import PublishedFile, write_atomically
from transforms.tables.histograms import Histograms
from transforms.tables.schemas import NOT_ERRORS
from transforms.tables.stage_counters import RUN_NAMESPACE, StageCounters, add_counts


class TooManyRejectedError(Exception):
    """More events were rejected than --max_rejected_fraction allows; nothing was published."""


@dataclass(eq=False)
class PublishRun(beam.PTransform):
    """Applied to the Files of all tables; yields the path of the manifest.

    day: the folder of all runs of the day; run: the name of this one's folder in it.
    events: the tables as read; plays: those that count; rejected: those that do not; pages: PAGES, where it has some.
    erased: COUNTS of the events of users to be forgotten, which were dropped before, or None.
    artifacts: name -> the path; `catalog` among them, and `ranker` where one was trained or given.
    figures: what measure_run() found, one JSON text, or that text. checks: what the run is held to.
    moves_pointer: whether it has pages that the day's pointer can name.
    about: what the caller knows of the run: options, as_of, versions. clock: says when it was published.
    """

    day: str
    run: str
    events: beam.PCollection
    plays: beam.PCollection
    rejected: beam.PCollection
    pages: beam.PCollection | None
    erased: beam.PCollection | None
    artifacts: Mapping[str, beam.PCollection]
    figures: Any
    about: Mapping[str, Any]
    clock: Callable[[], str]
    checks: GateSettings
    moves_pointer: bool

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        """Count, then one worker."""
        sides = {
            "read": self.events | "CountRead" >> CombineBuckets(count_events, sum_counts, out=COUNTS),
            "kept": self.plays | "CountKept" >> CombineBuckets(count_plays, sum_counts, out=COUNTS),
            "rejected": self.rejected | "CountRejected" >> CombineBuckets(count_reasons, sum_counts, out=COUNTS),
            "erased": self.erased,
            "files": [files],
            "figures": self.figures,
            **self.artifacts,
        }
        if self.pages is not None:
            relaxed = self.pages | "CountRelaxed" >> CombineBuckets(count_relaxed, sum_counts, out=COUNTS)
            sides["conflicts"] = relaxed
        start = files.pipeline | beam.Create([self.run])
        return start | beam.Map(self.publish, **{name: as_side_input(side) for name, side in sides.items()})

    def publish(
        self,
        run: str,
        *,
        files: Iterable[PublishedFile],
        read: Element,
        kept: Element,
        rejected: Element,
        erased: Element | None,
        figures: str,
        conflicts: Element | None = None,
        **artifacts: str,
    ) -> str:
        """Write manifest and pointer.

        Raises:
            TooManyRejectedError: with the counts by reason; nothing was written.
            GateFailedError: with the limits that are broken; the manifest was written, the pointer was not moved.
        """
        events = {"read": _total(read), "kept": _total(kept), "rejected": counts_by_name(rejected)}
        erased_rows = counts_by_name(erased).get("erased", 0) if erased else 0
        check_counts(events, self.checks.max_rejected_fraction)
        output, catalog = self.day.rpartition("/")[0], open_catalog(artifacts["catalog"])
        training, histograms = _training(artifacts.get("ranker"))
        auc = training["holdout"]["ranker"]["auc"] if training else None
        measures = {**json.loads(figures), "events": events["kept"], "rejected": error_counts(events), "auc": auc}
        with StageCounters("judge_run", 0):
            gate = check_limits({**measures, "training_histograms": histograms}, self.checks)
        manifest = {
            "run": run,
            **self.about,
            "published_at": self.clock(),
            "events": {**events, "erased": erased_rows},
            "tables": summarize_tables(files, f"{self.day}/{run}"),
            "artifacts": {name: relative_path(path, output, f"{self.day}/{run}") for name, path in artifacts.items()},
            "conflicts": counts_by_name(conflicts) if conflicts else {},
            "withheld": {**disabled_sources(catalog), **disabled_shelves(catalog), **_withheld_rewards(training)},
            "training": training,
            "gate": gate,
            "figures": measures,
        }
        with StageCounters("publish_run", 0):
            path = f"{self.day}/{run}/{MANIFEST}"
            write_atomically(path, json.dumps(manifest, indent=1).encode())
        add_counts(RUN_NAMESPACE, run_counters(manifest))
        if gate["failed"]:
            raise GateFailedError(f"{'; '.join(gate['failed'])}; {path} has all figures, and the pointer stays")
        if self.moves_pointer:
            write_atomically(f"{self.day}/{POINTER}", f"{run}\n".encode())
        return path


def _training(ranker_path: str | None) -> tuple[dict[str, Any] | None, Histograms]:
    """What a ranker's training said of itself, and how its features were distributed."""
    if ranker_path is None:
        return None, {}
    ranker = local_copy(ranker_path)
    return read_training_report(ranker), read_histograms(ranker)


def run_counters(manifest: Mapping[str, Any]) -> dict[str, int]:
    """The counters of a run (measuring.RUN_METRICS)."""
    events = manifest["events"]
    return {
        **{f"events_{name}": events[name] for name in ("read", "kept", "erased")},
        **{f"rejected_{reason}": n for reason, n in events["rejected"].items()},
        **{f"rows_{table}": about["rows"] for table, about in manifest["tables"].items()},
        "limits_broken": len(manifest["gate"]["broken"]),
    }


def _withheld_rewards(training: dict[str, Any] | None) -> dict[str, str]:
    """Which rewards the ranker knows nothing of, with the reason."""
    reasons = training["disabled_rewards"] if training else {}
    return {f"reward {name}": reason for name, reason in reasons.items()}


def check_counts(events: Mapping[str, Any], max_rejected_fraction: float) -> None:
    """Hold that no row was lost and that not too many were rejected; those without a fault do not count.

    Raises:
        TooManyRejectedError: with the counts by reason.
        AssertionError: kept and rejected rows are not the rows read; a bug.
    """
    if events["kept"] + sum(events["rejected"].values()) != events["read"]:
        raise AssertionError(f"kept and rejected events are not the events read: {dict(events)}")
    bad = error_counts(events)
    known = events["kept"] + sum(bad.values())
    if sum(bad.values()) > max_rejected_fraction * known:
        counts = ", ".join(f"{reason} {n:,}" for reason, n in bad.items())
        raise TooManyRejectedError(
            f"{sum(bad.values()):,} of {known:,} events were rejected ({counts}), more than the share of"
            f" {max_rejected_fraction:g} that --max_rejected_fraction allows"
        )


def error_counts(events: Mapping[str, Any]) -> dict[str, int]:
    """The rejects that say something of the data, by reason."""
    return {reason: n for reason, n in events["rejected"].items() if reason not in NOT_ERRORS}


def summarize_tables(files: Iterable[PublishedFile], folder: str) -> dict[str, Any]:
    """What the manifest says of each table: rows, and its files with size and hash."""
    ordered = sorted(files)
    return {
        table: {"rows": sum(file.rows for file in group), "files": [_entry(file, folder) for file in group]}
        for table, group in ((table, list(group)) for table, group in groupby(ordered, key=lambda file: file.table))
    }


def _entry(file: PublishedFile, folder: str) -> dict[str, Any]:
    path = file.path.removeprefix(f"{folder}/")
    return {"path": path, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256}


def count_events(events: pl.DataFrame) -> pl.DataFrame:
    """Any table -> COUNTS: its rows."""
    return counts_frame({"events": events.height})


def count_plays(plays: pl.DataFrame) -> pl.DataFrame:
    """PLAYS -> COUNTS: those with a track."""
    return counts_frame({"events": plays["track"].count()})


def count_reasons(rejected: pl.DataFrame) -> pl.DataFrame:
    """REJECTED -> COUNTS by reason."""
    return rejected.group_by(pl.col("reason").alias("what")).agg(n=pl.len().cast(pl.Int64))


def count_relaxed(pages: pl.DataFrame) -> pl.DataFrame:
    """PAGES -> COUNTS by rule: the pages for which it was meant and that it does not hold of."""
    named = pages.select(what="relaxed").explode("what", empty_as_null=False)
    return named.group_by("what").agg(n=pl.len().cast(pl.Int64))


def _total(element: Element) -> int:
    return sum(counts_by_name(element).values())
