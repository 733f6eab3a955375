"""The graph of an evaluation at one cutoff: the stages that publish pages, measured by the plays afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import apache_beam as beam
import polars as pl

from pipelines.fit_models import build_catalogs, fit_models, write_table
from pipelines.home_shelves import recommend_pages
from pipelines.inputs.inputs import InputTable
from pipelines.inputs.plan import RunPlan
from pipelines.listening_log import ListeningLog, read_listening_log
from pipelines.reported_plays import reported_plays
from transforms.candidates.sources import SOURCES
from transforms.catalog.catalog import open_catalog
from transforms.evaluation.encode_lists import LIST_ROWS, EncodeLists
from transforms.evaluation.export_history import EVALUATED_USERS, HISTORY_ROWS, ExportHistory
from transforms.evaluation.list_baselines import ListBaselines, TunedBaselines
from transforms.evaluation.list_candidates import ListCandidates
from transforms.evaluation.list_pages import ListPages
from transforms.evaluation.measure_lists import MeasureLists
from transforms.evaluation.split_log import SplitLog
from transforms.evaluation.window import EvaluationWindow
from transforms.evaluation.write_metrics import WriteMetrics
from transforms.reading.read_tables import ReadTables
from transforms.tables.buckets import GroupByBucket, Opened

# The log is read to its end: a play of the horizon may have arrived long after it.
_END_OF_TIME = datetime(9998, 1, 1, tzinfo=timezone.utc)
SOURCE_NAMES = tuple(source.name for source in SOURCES)


@dataclass(frozen=True)
class Cutoff:
    """A moment to evaluate at, and the systems that are measured there.

    run: its as_of is the cutoff. gap: after the cutoff, before the horizon. lists: lists of others by system.
    report_users: table of the users to evaluate at most; None: all.
    with_pages: whether homeshelf itself recommends; otherwise only the baselines do.
    known_before: plays that arrived later do not count, not even as targets: baselines are tuned before the first
        cutoff, when these were unknown.
    """

    run: RunPlan
    gap: timedelta
    horizon: timedelta
    baselines: TunedBaselines
    lists: Mapping[str, InputTable]
    report_users: InputTable | None
    with_pages: bool
    max_users: int
    list_depth: int
    num_replicates: int
    known_before: datetime = _END_OF_TIME

    @property
    def baselines_folder(self) -> str:
        """Return the folder of the fitted baselines."""
        return f"{self.run.folder}/baselines"

    @property
    def window(self) -> EvaluationWindow:
        """Return the times of cutoff and horizon: plays in the gap belong to sessions that were under way."""
        starts_at = self.run.as_of + self.gap
        return EvaluationWindow(self.run.as_of, starts_at, starts_at + self.horizon)


def build_backtest(root: beam.Pipeline, cutoff: Cutoff) -> beam.PCollection:
    """Build the graph from events to measures; it yields the path of the summary."""
    run = cutoff.run
    log = read_listening_log(root, run, known_before=cutoff.known_before)
    history, users, evaluation_rows = log.plays | _split(root, cutoff, log)
    catalog_path, ranker_path, ours = _list_ours(root, cutoff, log, history, users)
    lists = [evaluation_rows, *ours, *_list_given(root, cutoff, catalog_path)]
    if cutoff.baselines:
        lists.append(users | _list_baselines(cutoff, history, catalog_path))
    grouped = lists | "Lists" >> beam.Flatten() | "GroupLists" >> GroupByBucket("user_id", run.num_buckets)
    measures = grouped | MeasureLists(
        catalog_path=catalog_path,
        cutoff_at=run.as_of,
        sources=SOURCE_NAMES,
        num_replicates=cutoff.num_replicates,
        seed=run.options.seed,
    )
    return root | WriteMetrics(
        folder=run.folder,
        window=cutoff.window,
        measures=measures,
        history=history,
        evaluation_rows=evaluation_rows,
        rejected=log.rejected,
        catalog_path=catalog_path,
        ranker_path=ranker_path,
    )


def build_export(root: beam.Pipeline, cutoff: Cutoff) -> beam.PCollection:
    """Build the graph that writes the tables history and users as of the cutoff; it yields their files."""
    log = read_listening_log(root, cutoff.run, known_before=cutoff.known_before)
    history, users, _ = log.plays | _split(root, cutoff, log)
    decoded, evaluated = history | ExportHistory(users, log.track_codes)
    files = (
        decoded | "WriteHistory" >> write_table(cutoff.run, HISTORY_ROWS, *HISTORY_ROWS.names),
        evaluated | "WriteUsers" >> write_table(cutoff.run, EVALUATED_USERS, "user_id"),
    )
    return files | "ExportedFiles" >> beam.Flatten()


def _split(root: beam.Pipeline, cutoff: Cutoff, log: ListeningLog) -> SplitLog:
    reported = reported_plays(root, log.plays, cutoff.report_users)
    return SplitLog(cutoff.window, cutoff.max_users, cutoff.run.options.seed, reported)


def _list_baselines(cutoff: Cutoff, history: beam.PCollection, catalog_path: beam.PCollection) -> ListBaselines:
    return ListBaselines(
        history=history,
        catalog_path=catalog_path,
        baselines=cutoff.baselines,
        cutoff_at=cutoff.run.as_of,
        folder=cutoff.baselines_folder,
        list_depth=cutoff.list_depth,
    )


def _list_ours(
    root: beam.Pipeline, cutoff: Cutoff, log: ListeningLog, history: beam.PCollection, users: beam.PCollection
) -> tuple[beam.PCollection, beam.PCollection | None, list[beam.PCollection]]:
    """Return the paths of catalog and ranker, and homeshelf's own lists; without pages only a catalog is built."""
    if cutoff.with_pages:
        models = fit_models(root, cutoff.run, log, history)
        made = recommend_pages(cutoff.run, models, users)
        listed = [made.scored | ListCandidates(), made.pages | ListPages(log.track_codes)]
        return models.snapshot.catalog_path, models.ranker_path, listed
    (catalog_path,) = build_catalogs(cutoff.run, log, history, (cutoff.run.as_of,))
    return catalog_path, None, []


def _list_given(root: beam.Pipeline, cutoff: Cutoff, catalog_path: beam.PCollection) -> list[beam.PCollection]:
    """Return the lists that other recommenders made."""
    known = Opened(catalog_path, _open_track_codes)
    return [
        root
        | f"Read {name}" >> ReadTables(lists.row_groups, LIST_ROWS, lists.column_mapping)
        | f"Encode {name}" >> EncodeLists(name, cutoff.run.as_of, known, cutoff.run.num_buckets)
        for name, lists in cutoff.lists.items()
    ]


def _open_track_codes(catalog_path: str) -> pl.DataFrame:
    """Return track_id, track (code) and release_date of the catalog."""
    catalog = open_catalog(catalog_path)
    return catalog.tracks.select("track_id", pl.Series("track", catalog.recording), "release_date")
