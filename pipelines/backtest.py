"""homeshelf evaluate: at each cutoff the stages that publish pages, and what was really played afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import apache_beam as beam

from models.baselines.interactions import Baseline, Parameters
from pipelines.home_shelves import build_catalogs, recommend
from pipelines.inputs.inputs import InputTable
from pipelines.inputs.plan import RunPlan
from pipelines.listening_log import ListeningLog, read_listening_log
from transforms.candidates.sources import SOURCES
from transforms.catalog.catalog import open_catalog
from transforms.evaluation.encode_lists import LIST_ROWS, EncodeLists
from transforms.evaluation.export_history import EVALUATED_USERS, HISTORY_ROWS, ExportHistory
from transforms.evaluation.list_baselines import ListBaselines
from transforms.evaluation.list_candidates import ListCandidates
from transforms.evaluation.list_pages import ListPages
from transforms.evaluation.measure_lists import MeasureLists
from transforms.evaluation.split_log import SplitLog
from transforms.evaluation.write_metrics import WriteMetrics
from transforms.tables.buckets import GroupByBucket, Opened
from transforms.tables.columns import Schema
from transforms.tables.read_tables import ReadTables
from transforms.tables.write_tables import WriteTables

# The log is read to its end: a play of the horizon may have arrived long after it.
END_OF_TIME = datetime(9998, 1, 1, tzinfo=timezone.utc)
SOURCE_NAMES = tuple(source.name for source in SOURCES)


@dataclass(frozen=True)
class Cutoff:
    """One moment to stand at, and what is measured there.

    run: its as_of is the cutoff. baselines: system -> the entry and its parameters. lists: system -> lists of others.
    with_pages: whether homeshelf itself recommends too; else only the baselines do.
    """

    run: RunPlan
    gap: timedelta
    horizon: timedelta
    baselines: Mapping[str, tuple[Baseline, Parameters]]
    lists: Mapping[str, InputTable]
    with_pages: bool
    max_users: int
    list_depth: int
    num_replicates: int

    @property
    def baselines_folder(self) -> str:
        """Where the baselines write what they learn."""
        return f"{self.run.folder}/baselines"

    @property
    def starts_at(self) -> datetime:
        """Return the start of the horizon: plays in the gap before it belong to sessions that were under way."""
        return self.run.as_of + self.gap

    @property
    def ends_at(self) -> datetime:
        """When the horizon ends."""
        return self.starts_at + self.horizon


def build_backtest(root: beam.Pipeline, cutoff: Cutoff) -> beam.PCollection:
    """Events in, measures out: one graph; yields the path of the JSON file that says so."""
    run, options = cutoff.run, cutoff.run.options
    log = read_listening_log(root, run, known_before=END_OF_TIME)
    history, users, evaluation_rows = log.plays | _split(cutoff)
    catalog_path, ranker_path, ours = _ours(root, cutoff, log, history, users)
    lists = [evaluation_rows, *ours, *_others(root, cutoff, catalog_path)]
    if cutoff.baselines:
        lists.append(
            users
            | ListBaselines(
                history=history,
                catalog_path=catalog_path,
                baselines=cutoff.baselines,
                cutoff_at=run.as_of,
                folder=cutoff.baselines_folder,
                list_depth=cutoff.list_depth,
            )
        )
    grouped = lists | "Lists" >> beam.Flatten() | "GroupLists" >> GroupByBucket("user_id", run.num_buckets)
    measures = grouped | MeasureLists(
        catalog_path=catalog_path,
        cutoff_at=run.as_of,
        sources=SOURCE_NAMES,
        num_replicates=cutoff.num_replicates,
        seed=options.seed,
    )
    return root | WriteMetrics(
        folder=run.folder,
        cutoff_at=run.as_of,
        starts_at=cutoff.starts_at,
        ends_at=cutoff.ends_at,
        measures=measures,
        history=history,
        evaluation_rows=evaluation_rows,
        rejected=log.rejected,
        catalog_path=catalog_path,
        ranker_path=ranker_path,
    )


def build_export(root: beam.Pipeline, cutoff: Cutoff) -> beam.PCollection:
    """Events in, what was known at the cutoff out: the files of the tables history and users."""
    log = read_listening_log(root, cutoff.run, known_before=END_OF_TIME)
    history, users, _ = log.plays | _split(cutoff)
    named, judged = history | ExportHistory(users, log.track_codes)
    files = (
        named | "PublishHistory" >> _table(cutoff.run, HISTORY_ROWS, *HISTORY_ROWS.names),
        judged | "PublishUsers" >> _table(cutoff.run, EVALUATED_USERS, "user_id"),
    )
    return files | "ExportedFiles" >> beam.Flatten()


def _table(run: RunPlan, schema: Schema, *order: str) -> WriteTables:
    return WriteTables(schema, run.folder, run.num_shards, order)


def _split(cutoff: Cutoff) -> SplitLog:
    return SplitLog(
        cutoff_at=cutoff.run.as_of,
        starts_at=cutoff.starts_at,
        ends_at=cutoff.ends_at,
        max_users=cutoff.max_users,
        seed=cutoff.run.options.seed,
    )


def _ours(
    root: beam.Pipeline, cutoff: Cutoff, log: ListeningLog, history: beam.PCollection, users: beam.PCollection
) -> tuple[beam.PCollection, beam.PCollection | None, list[beam.PCollection]]:
    """The paths of catalog and ranker, and what homeshelf recommends; without pages there is a catalog only."""
    if cutoff.with_pages:
        made = recommend(root, cutoff.run, log, history, users)
        listed = [made.scored | ListCandidates(), made.pages | ListPages(log.track_codes)]
        return made.catalog_path, made.ranker_path, listed
    (catalog_path,) = build_catalogs(cutoff.run, log, history, (cutoff.run.as_of,))
    return catalog_path, None, []


def _others(root: beam.Pipeline, cutoff: Cutoff, catalog_path: beam.PCollection) -> list[beam.PCollection]:
    """The lists that others made."""
    known = Opened(catalog_path, _known_tracks)
    return [
        root
        | f"Read {name}" >> ReadTables(lists.row_groups, LIST_ROWS, lists.column_mapping)
        | f"Code {name}" >> EncodeLists(name, cutoff.run.as_of, known, cutoff.run.num_buckets)
        for name, lists in cutoff.lists.items()
    ]


def _known_tracks(path: str) -> object:
    """What CodeLists needs of the catalog."""
    return open_catalog(path).coded.select("track_id", "track", "release_date")
