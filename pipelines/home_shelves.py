"""The main job: one graph of stages from listening events to published pages."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions

from pipelines.fit_models import FittedModels, build_catalogs, fit_models, write_table
from pipelines.inputs.announcements import announce_run
from pipelines.inputs.plan import RunPlan
from pipelines.inputs.preparation import (
    build_gate_settings,
    check_writable,
    draft_manifest,
    parse_limits,
    prepare_run,
)
from pipelines.inputs.run_folders import list_run_folders
from pipelines.listening_log import ListeningLog, read_listening_log, rejected_tables
from pipelines.now_playing import NowPlaying, build_now_playing
from pipelines.options.beam_flags import is_awaited
from pipelines.options.clock import utc_now
from pipelines.options.options import RunOptions
from pipelines.options.parsing import check_options
from transforms.catalog.catalog import open_catalog
from transforms.events.user_samples import count_known_users
from transforms.experiments.ledger.measure_ledger import LEDGER_DAYS, MeasureLedger
from transforms.experiments.readout.readout_metrics import ATTRIBUTION_HOURS
from transforms.experiments.readout.user_days import TRACKS_SHOWN, code_recent
from transforms.features.generate_candidates import GenerateCandidates
from transforms.pages.assemble_pages import AssemblePages
from transforms.pages.list_cards import CARDS, PLACE, ListCards
from transforms.pages.publish_candidates import PublishCandidates
from transforms.pages.published_candidates import CANDIDATE_FEATURES, RANKED
from transforms.pages.sample_features import SampleFeatures
from transforms.publishing.gates import GateSettings
from transforms.publishing.manifest import Manifest, RunMetrics
from transforms.publishing.measure_run import MeasureRun, NewTrackFloor
from transforms.publishing.publish_run import Publication, PublishRun
from transforms.ranking.rankers import load_ranker
from transforms.ranking.score_candidates import ScoreCandidates
from transforms.tables.artifacts import Single
from transforms.tables.buckets import GroupByBucket, MapBuckets, Opened, camel_case
from transforms.tables.schemas import PAGES

# Users whose candidates are enough for the histograms of a run.
_MAX_HISTOGRAM_USERS = 2_000
# The metrics of a run without pages.
_NO_METRICS = RunMetrics().to_json()


class Recommendations(NamedTuple):
    """Scored candidates (SCORED) and pages (PAGES) of all users."""

    scored: beam.PCollection
    pages: beam.PCollection


class PlannedHome(NamedTuple):
    """A run that was checked: its plan, its manifest so far, and the settings of its gate."""

    run: RunPlan
    draft: Manifest
    gate: GateSettings


def build_home(pipeline: beam.Pipeline, options: RunOptions) -> str:
    """Check the options and the input of a run, and build its graph on a pipeline.

    The pipeline, its runner and the moment at which it runs are the caller's. Until it runs, nothing is written but
    started.json in the folder of the run, and not that for a template.

    Args:
        pipeline: a pipeline of any runner, with or without other transforms.
        options: the flags of `homeshelf run`.

    Returns:
        The folder of the run, to open when the pipeline has finished.

    Raises:
        UsageError: the run cannot start; the message names the flag.
    """
    planned = plan_home(options)
    check_writable(options.output)
    if planned.run.state:
        check_writable(planned.run.state.path, "state")
    if not pipeline.options.view_as(GoogleCloudOptions).template_location:
        announce_run(planned.run, goes_on=not is_awaited(pipeline.options))
    build_planned(pipeline, planned)
    return planned.run.folder


def plan_home(options: RunOptions) -> PlannedHome:
    """Check the options and the input of a run (UsageError: it cannot start); nothing is written."""
    checked = check_options(options)
    limits = parse_limits(checked.limits)
    run = prepare_run(checked)
    earlier = list_run_folders(checked.output)
    return PlannedHome(run, draft_manifest(run, earlier), build_gate_settings(checked, earlier, run.as_of, limits))


def build_planned(pipeline: beam.Pipeline, planned: PlannedHome) -> None:
    """Build the graph of a planned run."""
    with _plain_labels():
        build_home_shelves(pipeline, *planned)


@contextmanager
def _plain_labels() -> Iterator[None]:
    """Keep the labels of a graph in a notebook as they are elsewhere, and as a job on a cluster expects them.

    Beam would put the number of the cell before each, and needs pandas to do so.
    """
    inherited = beam.pipeline.alter_label_if_ipython
    beam.pipeline.alter_label_if_ipython = lambda transform, pvalueish: None
    try:
        yield
    finally:
        beam.pipeline.alter_label_if_ipython = inherited


def build_home_shelves(root: beam.Pipeline, run: RunPlan, draft: Manifest, gate: GateSettings) -> beam.PCollection:
    """Build the graph from events to a published run; yields the path of the manifest."""
    log = read_listening_log(root, run, known_before=run.as_of)
    models = fit_models(root, run, log, log.plays) if run.has_pages or run.is_learning else None
    made = recommend_pages(run, models, log.plays) if models and run.has_pages else None
    catalog_path = models.snapshot.catalog_path if models else build_catalogs(run, log, log.plays, (run.as_of,))[0]
    playing = build_now_playing(run, run.queues, log, catalog_path) if run.queues else NowPlaying([], {}, ())
    n_users = log.plays | "CountKnownUsers" >> count_known_users()
    rejected = rejected_tables(log, run.num_buckets)
    rejected_files = [
        rows | f"Write{camel_case(schema.name)}" >> write_table(run, schema, *schema.names)
        for schema, rows in rejected.values()
    ]
    feature_files = models.feature_files if models else []
    written = (*feature_files, *_write_pages(run, log, made, n_users, catalog_path), *rejected_files, *playing.files)
    return (
        written
        | "Files" >> beam.Flatten()
        | PublishRun(
            Publication(run.folder, draft, gate, utc_now, moves_pointer=not run.is_learning),
            events=log.events,
            plays=log.plays,
            rejected={name: table.rows for name, table in rejected.items()},
            pages=made.pages if made else None,
            erased=log.erased_rows,
            input_counts=(*log.input_counts, *playing.counts),
            artifacts={
                "tracks": log.tracks_path,
                "catalog": catalog_path,
                **_learned_artifacts(models),
                **playing.artifacts,
            },
            metrics=_measure(run, n_users, catalog_path, made) if made else root | "NoMetrics" >> Single(_NO_METRICS),
            ledger=_keep_ledger(run, log, catalog_path) if made else root | "NoLedger" >> Single("{}"),
        )
    )


def recommend_pages(run: RunPlan, models: FittedModels, users: beam.PCollection) -> Recommendations:
    """Generate and score candidates and assemble pages for the users whose PLAYS are given."""
    snapshot = models.snapshot
    candidates = users | GenerateCandidates(snapshot, models.blend_path, run.options.max_candidates)
    scored = candidates | ScoreCandidates(models.ranker_path, snapshot.catalog_path, load_ranker)
    pages = scored | AssemblePages(snapshot.catalog_path, snapshot.embeddings_path, run.policy, run.rules)
    return Recommendations(scored, pages)


def _write_pages(
    run: RunPlan,
    log: ListeningLog,
    made: Recommendations | None,
    n_users: beam.PCollection,
    catalog_path: beam.PCollection,
) -> list[beam.PCollection]:
    """Return the files of pages, of their cards, of candidates, and of the features of a sample of users."""
    if made is None:
        return []
    sample = SampleFeatures(n_users, log.track_codes, run.max_feature_users, run.options.seed)
    ranked = made.scored | PublishCandidates(log.track_codes)
    return [
        made.pages | "WritePages" >> write_table(run, PAGES, "user_id", "surface"),
        made.pages | ListCards(catalog_path) | "WriteCards" >> write_table(run, CARDS, *PLACE),
        ranked | "WriteCandidates" >> write_table(run, RANKED, "user_id", "track_id"),
        made.scored | sample | "WriteFeatures" >> write_table(run, CANDIDATE_FEATURES, "user_id", "track_id"),
    ]


def _keep_ledger(run: RunPlan, log: ListeningLog, catalog_path: beam.PCollection) -> beam.PCollection:
    """Return the JSON text of the discovery ledger of the weeks before the run."""
    shown = None
    if log.impressions is not None:
        since = run.as_of - timedelta(days=LEDGER_DAYS, hours=ATTRIBUTION_HOURS)
        code = MapBuckets(code_recent, out=TRACKS_SHOWN, track_codes=log.track_codes, since=since)
        shown = log.impressions | code | "GroupShown" >> GroupByBucket("user_id", run.num_buckets)
    return log.plays | MeasureLedger(shown, Opened(catalog_path, open_catalog), run.as_of)


def _learned_artifacts(models: FittedModels | None) -> dict[str, beam.PCollection]:
    """Return the paths of what was learned by the name that it has in the manifest."""
    if models is None:
        return {}
    artifacts = {"embeddings": models.snapshot.embeddings_path, "blend": models.blend_path}
    return artifacts if models.ranker_path is None else {**artifacts, "ranker": models.ranker_path}


def _measure(
    run: RunPlan, n_users: beam.PCollection, catalog_path: beam.PCollection, made: Recommendations
) -> beam.PCollection:
    """Return the JSON text of the run's metrics."""
    return made.pages | MeasureRun(
        n_users,
        made.scored,
        catalog_path,
        _MAX_HISTOGRAM_USERS,
        run.options.seed,
        NewTrackFloor(run.as_of, run.options.new_track_floor),
    )


if __name__ == "__main__":
    # by its package name: functions of __main__ would travel to workers by value
    from pipelines.cli import main

    sys.exit(main(["run", *sys.argv[1:]]))
