"""Publish a run: check its counts and limits, write the manifest last, then move the pointer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import apache_beam as beam
import polars as pl

from transforms.candidates.sources import disabled_sources
from transforms.catalog.catalog import open_catalog
from transforms.pages.shelves.shelves import disabled_shelves
from transforms.publishing.erasures import check_erasures
from transforms.publishing.gates import GateFailedError, GateSettings, check_limits
from transforms.publishing.input_counts import check_all_read, read_metrics, with_counts, without_prefix
from transforms.publishing.manifest import (
    EventCounts,
    JsonObject,
    Manifest,
    RunMetrics,
    TableFile,
    TableSummary,
)
from transforms.publishing.run_paths import MANIFEST, POINTER, relative_path
from transforms.publishing.stated_files import describe_artifact
from transforms.ranking.ranker_files import read_histograms, read_training_report
from transforms.tables.artifacts import Single, local_copy
from transforms.tables.buckets import CombineBuckets, Element, MapBuckets
from transforms.tables.counts import COUNTS, counts_by_name, counts_frame, sum_counts
from transforms.tables.failures import RunFailedError
from transforms.tables.files import PublishedFile, write_atomically
from transforms.tables.histograms import Histograms
from transforms.tables.stage_counters import RUN_NAMESPACE, StageCounters, add_counts

_REJECTED, _RELAXED = "events/rejected/", "relaxed/"


class TooManyRejectedError(RunFailedError):
    """More events were rejected than `--max_rejected_fraction` allows; nothing was published."""


class NoEventKeptError(RunFailedError):
    """No event passed cleaning, and the gate is not off; nothing was published."""


@dataclass(frozen=True)
class Publication:
    """Settings of publishing one run.

    folder: of the run, OUTPUT/ds=DAY/run=ID. draft: the manifest as far as it is known before the run.
    clock: returns the time of publication. moves_pointer: the run has pages that the day's pointer can name.
    """

    folder: str
    draft: Manifest
    gate: GateSettings
    clock: Callable[[], str]
    moves_pointer: bool

    @property
    def day_folder(self) -> str:
        """Return the folder of all runs of the day, where the pointer lies."""
        return self.folder.rpartition("/")[0]

    @property
    def run(self) -> str:
        """Return the name of the run's folder."""
        return self.folder.rpartition("/")[2]

    @property
    def output(self) -> str:
        """Return the folder of all days."""
        return self.day_folder.rpartition("/")[0]


@dataclass(eq=False)
class PublishRun(beam.PTransform):
    """Apply publish_run() to the PublishedFiles of all tables; yields the path of the manifest.

    events: EVENT_ROWS as read; plays: PLAYS, those that count; rejected: rows with a reason, by input table. pages:
    PAGES; None: the run has none. erased: COUNTS of the events erased before; None: no user is to be erased.
    input_counts: COUNTS named TABLE/cleared/COLUMN and TABLE/unreadable/COLUMN, of the last day and of queues.
    artifacts: name -> path, among them `catalog` and, where a ranker was trained or given, `ranker`. metrics: the JSON
    text of measure_run(); ledger: of a LedgerFigure by metric.
    """

    publication: Publication
    events: beam.PCollection
    plays: beam.PCollection
    rejected: Mapping[str, beam.PCollection]
    pages: beam.PCollection | None
    erased: beam.PCollection | None
    input_counts: Sequence[beam.PCollection]
    artifacts: Mapping[str, beam.PCollection]
    metrics: beam.PCollection
    ledger: beam.PCollection
    stage = "publish_run"

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        """Count in every bucket, then publish on one worker."""
        named = [
            path | f"Name {name}" >> beam.Map(_named, name).with_output_types(tuple[str, str])
            for name, path in self.artifacts.items()
        ]
        publish = beam.Map(
            publish_run,
            files=beam.pvalue.AsList(files),
            counts=beam.pvalue.AsSingleton(self._counts()),
            metrics=beam.pvalue.AsSingleton(self.metrics),
            ledger=beam.pvalue.AsSingleton(self.ledger),
            artifacts=beam.pvalue.AsDict(named | "Artifacts" >> beam.Flatten()),
        )
        return files.pipeline | Single(self.publication, Publication) | publish.with_output_types(str)

    def _counts(self) -> beam.PCollection:
        """Return COUNTS of events, and of the pages that rules could not hold on."""
        counts = [
            self.events | MapBuckets(count_read, out=COUNTS),
            self.plays | MapBuckets(count_kept, out=COUNTS),
            *(
                rows | f"Count rejected {name}" >> MapBuckets(count_rejected, out=COUNTS, table=name)
                for name, rows in self.rejected.items()
            ),
        ]
        if self.pages is not None:
            counts.append(self.pages | MapBuckets(count_relaxed, out=COUNTS))
        if self.erased is not None:
            counts.append(self.erased)
        counts += self.input_counts
        return counts | "Counts" >> beam.Flatten() | CombineBuckets(sum_counts, sum_counts, out=COUNTS)


def _named(path: str, name: str) -> tuple[str, str]:
    return name, path


def publish_run(
    publication: Publication,
    *,
    files: Iterable[PublishedFile],
    counts: Element,
    metrics: str,
    ledger: str,
    artifacts: Mapping[str, str],
) -> str:
    """Write manifest and pointer; return the path of the manifest.

    Raises:
        TooManyRejectedError, NoEventKeptError: with the counts by reason; nothing was written.
        ErasedMeanwhileError: users were erased since the start; nothing was written.
        GateFailedError: with the violated limits; the manifest was written, the pointer was not moved.
    """
    found = {name: n for name, n in counts_by_name(counts).items() if n}
    events = _event_counts(found)
    check_all_read(events, publication.draft.inputs)
    check_counts(events, publication.gate.max_rejected_fraction)
    if not events.kept and publication.gate.mode != "off":
        raise NoEventKeptError(f"none of the {events.read:,} events is kept{_in_brackets(events.rejected)}")
    manifest = replace(
        publication.draft,
        run=publication.run,
        published_at=publication.clock(),
        events=events,
        inputs={name: with_counts(table, found, name) for name, table in publication.draft.inputs.items()},
        tables=summarize_tables(files, publication.folder),
        artifacts=_relative(artifacts, publication),
        artifact_files={name: describe_artifact(path) for name, path in sorted(artifacts.items())},
        conflicts=without_prefix(found, _RELAXED),
    )
    manifest = _with_findings(manifest, read_metrics(metrics, ledger, found), artifacts, publication.gate)
    if manifest.started_at:
        check_erasures(publication.output, manifest.started_at)
    _write(manifest, publication)
    return f"{publication.folder}/{MANIFEST}"


def _relative(artifacts: Mapping[str, str], publication: Publication) -> dict[str, str]:
    """Return the paths of the artifacts as the manifest has them."""
    output, folder = publication.output, publication.folder
    return {name: relative_path(path, output, folder) for name, path in sorted(artifacts.items())}


def _event_counts(counts: Mapping[str, int]) -> EventCounts:
    rejected = without_prefix(counts, _REJECTED)
    return EventCounts(counts.get("read", 0), counts.get("kept", 0), rejected, counts.get("erased", 0))


def _with_findings(
    manifest: Manifest, metrics: RunMetrics, artifacts: Mapping[str, str], gate: GateSettings
) -> Manifest:
    """Add the ranker's training, the disabled entries, the metrics and the result of the gate."""
    training, histograms = _training(artifacts.get("ranker"))
    auc = training["holdout"]["ranker"]["auc"] if training else None
    measured = replace(metrics, events=manifest.events.kept, rejected=manifest.events.errors, auc=auc)
    catalog = open_catalog(artifacts["catalog"])
    with StageCounters("check_limits", 0):
        findings = check_limits(measured, histograms, gate)
    return replace(
        manifest,
        disabled={**disabled_sources(catalog), **disabled_shelves(catalog), **_disabled_rewards(training)},
        training=training,
        gate=findings,
        metrics=measured,
    )


def _write(manifest: Manifest, publication: Publication) -> None:
    """Write the manifest, then the pointer, unless the gate keeps it (GateFailedError)."""
    path = f"{publication.folder}/{MANIFEST}"
    with StageCounters(PublishRun.stage, 0):
        write_atomically(path, manifest.to_json())
    add_counts(RUN_NAMESPACE, run_counters(manifest))
    if manifest.gate.failed:
        raise GateFailedError(f"{'; '.join(manifest.gate.failed)}; {path} has all metrics, and the pointer stays")
    if publication.moves_pointer:
        write_atomically(f"{publication.day_folder}/{POINTER}", f"{publication.run}\n".encode())


def _training(ranker_path: str | None) -> tuple[JsonObject | None, Histograms]:
    """Read the report of a ranker's training and the histograms of its features."""
    if ranker_path is None:
        return None, {}
    ranker = local_copy(ranker_path)
    return read_training_report(ranker), read_histograms(ranker)


def _disabled_rewards(training: JsonObject | None) -> dict[str, str]:
    """Return the rewards that the ranker could not learn, with the reason."""
    reasons = training["disabled_rewards"] if training else {}
    return {f"reward {name}": reason for name, reason in reasons.items()}


def run_counters(manifest: Manifest) -> dict[str, int]:
    """Return the Beam counters of a run (see RUN_METRICS)."""
    events = manifest.events
    return {
        "events_read": events.read,
        "events_kept": events.kept,
        "events_erased": events.erased,
        **{f"rejected_{reason}": n for reason, n in events.rejected.items()},
        **{f"rows_{name}": table.rows for name, table in manifest.tables.items()},
        "limits_violated": len(manifest.gate.violated),
    }


def check_counts(events: EventCounts, max_rejected_fraction: float) -> None:
    """Check that no event was lost, and that not too many were rejected for an error.

    Raises:
        TooManyRejectedError: with the counts by reason.
        AssertionError: kept and rejected events are not the events read; a bug.
    """
    if events.kept + sum(events.rejected.values()) != events.read:
        raise AssertionError(f"kept and rejected events are not the events read: {events}")
    errors = events.errors
    known = events.kept + sum(errors.values())
    if sum(errors.values()) > max_rejected_fraction * known:
        raise TooManyRejectedError(
            f"{sum(errors.values()):,} of {known:,} events were rejected{_in_brackets(errors)}, more than the share of"
            f" {max_rejected_fraction:g} that --max_rejected_fraction allows"
        )


def _in_brackets(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{reason} {n:,}' for reason, n in counts.items())})" if counts else ""


def summarize_tables(files: Iterable[PublishedFile], folder: str) -> dict[str, TableSummary]:
    """Return the rows and files of each table, by name; paths are relative to the run's folder."""
    return {
        table: _summary(list(group), folder) for table, group in groupby(sorted(files), key=lambda file: file.table)
    }


def _summary(files: list[PublishedFile], folder: str) -> TableSummary:
    entries = (TableFile(file.path.removeprefix(f"{folder}/"), file.rows, file.bytes, file.sha256) for file in files)
    return TableSummary(sum(file.rows for file in files), tuple(entries))


def count_read(events: pl.DataFrame) -> pl.DataFrame:
    """EVENT_ROWS -> COUNTS of the events read."""
    return counts_frame({"read": events.height})


def count_kept(plays: pl.DataFrame) -> pl.DataFrame:
    """PLAYS -> COUNTS of the events kept; rows without a track only stand for a user."""
    return counts_frame({"kept": plays["track"].count()})


def count_rejected(rejected: pl.DataFrame, *, table: str) -> pl.DataFrame:
    """Rows with a reason -> COUNTS of TABLE/rejected/REASON."""
    counts = rejected.group_by(name=pl.lit(f"{table}/rejected/") + pl.col("reason").cast(pl.String))
    return counts.agg(n=pl.len().cast(pl.Int64))


def count_relaxed(pages: pl.DataFrame) -> pl.DataFrame:
    """PAGES -> COUNTS of relaxed/RULE: pages that a rule applies to and that could not follow it."""
    named = pages.select(name="relaxed").explode("name", empty_as_null=False)
    return named.group_by(name=pl.lit(_RELAXED) + pl.col("name")).agg(n=pl.len().cast(pl.Int64))
