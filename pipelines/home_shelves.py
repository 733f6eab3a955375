"""The main job: build() is the whole story as one graph of stages."""

import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from importlib.metadata import version
from typing import Any

import apache_beam as beam
from rich.console import Console
from transforms.assemble_pages import AssemblePages

from models.contract import FeatureSpec, Passes, Ranker
from pipelines.beam_flags import is_local, parse_beam
from pipelines.inputs import Input, inspect, just_after
from pipelines.options import RunOptions, UsageError, parse
from pipelines.progress import shown_progress
from pipelines.summary import show_summary
from transforms.buckets import GroupByBucket, MapBuckets, Opened
from transforms.build_catalog import BuildCatalog
from transforms.clean_events import CleanEvents, clean_events, without_events
from transforms.collect_tracks import CollectTracks, tracks_of_events
from transforms.columns import fingerprint
from transforms.features import FEATURE_ROWS, RANKED
from transforms.generate_candidates import GenerateCandidates
from transforms.name_tracks import NameTracks
from transforms.order_histories import OrderHistories
from transforms.publish_run import PublishRun
from transforms.publish_tables import PublishTables
from transforms.rankers import check_ranker
from transforms.read_tables import ReadTables
from transforms.sample_examples import SampleExamples
from transforms.schemas import CHECKED, EVENT_ROWS, EVENTS, PAGES, PLAYS, REJECTED, TRACKS, USER_ROWS, USERS
from transforms.score_candidates import ScoreCandidates
from transforms.tracks import READ_TRACKS, open_track_codes
from transforms.train_models import TrainModels


@dataclass(frozen=True)
class Run:
    """One run: what is asked, what is there to read, and what was settled before it starts."""

    options: RunOptions
    events: Input
    tracks: Input | None
    users: Input | None
    as_of: datetime
    run_id: str

    @property
    def day(self) -> str:
        """The folder of all runs of the day; a run at midnight belongs to the day that ends."""
        return f"{self.options.output.rstrip('/')}/ds={(self.as_of - timedelta(microseconds=1)):%Y-%m-%d}"

    @property
    def folder(self) -> str:
        """The folder of this run."""
        return f"{self.day}/run={self.run_id}"

    @property
    def num_buckets(self) -> int:
        """How many buckets: given, or so that one has about 500,000 events."""
        return self.options.num_buckets or max(8, -(-self.events.num_rows // 500_000))

    @property
    def num_shards(self) -> int:
        """How many files per table: given, or from the events; the buckets must not show in the bytes."""
        return self.options.num_shards or max(1, -(-self.events.num_rows // 2_000_000))


def build(root: beam.Pipeline, run: Run, about: Mapping[str, Any]) -> beam.PCollection:
    """Events in, published run out: one graph; yields the path of the manifest."""
    options, label_days = run.options, run.options.label_days
    tracks_path = _track_rows(root, run) | CollectTracks(f"{run.folder}/tracks")
    track_codes = Opened(tracks_path, open_track_codes)

    events = root | "ReadEvents" >> ReadTables(run.events.pieces, EVENT_ROWS, run.events.origins)
    cleaned, rejected_rows = events | CleanEvents(run.as_of, track_codes)
    grouped = (cleaned, *_listed_users(root, run)) | beam.Flatten() | GroupByBucket("user_id", run.num_buckets)
    plays, duplicates = grouped | OrderHistories(track_codes)
    rejected = (rejected_rows, duplicates) | "AllRejected" >> beam.Flatten()

    holdout_at = run.as_of - timedelta(days=label_days)
    training_at = holdout_at - timedelta(days=label_days)
    catalog_path = plays | "Catalog" >> _catalog(run, tracks_path, run.as_of)
    files = []
    if options.ranker:
        ranker_path = root | "GivenRanker" >> beam.Create([options.ranker])
    else:
        training_catalog = plays | "TrainingCatalog" >> _catalog(run, tracks_path, training_at)
        holdout_catalog = plays | "HoldoutCatalog" >> _catalog(run, tracks_path, holdout_at)
        sample = partial(SampleExamples, label_days=label_days, max_users=options.max_training_users, seed=options.seed)
        examples = (
            plays | "TrainingExamples" >> sample(training_catalog, training_at),
            plays | "HoldoutExamples" >> sample(holdout_catalog, holdout_at),
        ) | "Examples" >> beam.Flatten()
        features = examples | "NameExamples" >> NameTracks(track_codes, FEATURE_ROWS)
        feature_files = features | "PublishFeatures" >> _table(run, FEATURE_ROWS, "cut_at", "user_id", "track")
        ranker_path = feature_files | TrainModels(
            training_catalog, f"{run.folder}/models", holdout_at, options.min_track_plays, partial(train, options)
        )
        files.append(feature_files)

    candidates = plays | GenerateCandidates(catalog_path, run.as_of)
    scored = candidates | ScoreCandidates(ranker_path, catalog_path, load_ranker)
    pages = scored | AssemblePages(catalog_path, options.shelf_size, options.max_shelves)
    named = scored | "NameCandidates" >> NameTracks(track_codes, RANKED)

    files += [
        pages | "PublishPages" >> _table(run, PAGES, "user_id"),
        named | "PublishCandidates" >> _table(run, RANKED, "user_id", "track_id"),
        rejected | "PublishRejected" >> _table(run, REJECTED, *REJECTED.names),
    ]
    return (
        files
        | "Files" >> beam.Flatten()
        | PublishRun(
            day=run.day,
            run=f"run={run.run_id}",
            events=events,
            plays=plays,
            rejected=rejected,
            artifacts={"tracks": tracks_path, "catalog": catalog_path, "ranker": ranker_path},
            about=about,
            max_rejected_fraction=options.max_rejected_fraction,
        )
    )


def _track_rows(root: beam.Pipeline, run: Run) -> beam.PCollection:
    """The track table; without one, the tracks of the events that count, in a reading of their own.

    Reading twice is cheaper than keeping all events until the tracks are known.
    """
    if run.tracks is not None:
        return root | "ReadTracks" >> ReadTables(run.tracks.pieces, READ_TRACKS, run.tracks.origins)
    return (
        root
        | "ReadForTracks" >> ReadTables(run.events.pieces, EVENT_ROWS, run.events.origins)
        | "CleanForTracks" >> MapBuckets(clean_events, out=CHECKED, as_of=run.as_of, track_codes=None)
        | MapBuckets(tracks_of_events, out=READ_TRACKS)
    )


def _listed_users(root: beam.Pipeline, run: Run) -> list[beam.PCollection]:
    """Users of the user table, as plays without a track."""
    if run.users is None:
        return []
    users = root | "ReadUsers" >> ReadTables(run.users.pieces, USER_ROWS, run.users.origins)
    return [users | MapBuckets(without_events, out=PLAYS)]


def _catalog(run: Run, tracks_path: beam.PCollection, as_of: datetime) -> BuildCatalog:
    return BuildCatalog(
        as_of=as_of,
        tracks_path=tracks_path,
        folder=f"{run.folder}/catalogs",
        num_buckets=run.num_buckets,
        num_neighbours=run.options.num_neighbours,
        shrinkage=run.options.shrinkage,
        half_life_days=run.options.half_life_days,
    )


def _table(run: Run, schema: Any, *order: str) -> PublishTables:
    return PublishTables(schema, run.folder, run.num_shards, order)


# TensorFlow takes seconds to load: only the workers that train or score do it.


def train(options: RunOptions, training: Passes, holdout: Passes, spec: FeatureSpec, path: str, on_epoch: Any) -> Any:
    """Train the ranker that these options ask for, judge it, save it (see models.trials)."""
    from models.trials import run_trial

    from models.ranker import RankerOptions

    ranker = RankerOptions(
        embedding_size=options.embedding_size,
        batch_size=options.batch_size,
        num_epochs=options.num_epochs,
        learning_rate=options.learning_rate,
        seed=options.seed,
    )
    return run_trial(training, holdout, spec, path, on_epoch, options=ranker)


def load_ranker(path: str) -> Ranker:
    """Open a saved ranker."""
    from models.serving import load_ranker as load

    return load(path)


def run(argv: Sequence[str]) -> int:
    """Check everything, run the graph, and where that happens on this machine show what came out."""
    options, rest = parse(RunOptions, argv)
    beam_options = parse_beam(rest)
    prepared = prepare(options)
    console = Console()
    with shown_progress(console):
        pipeline = beam.Pipeline(options=beam_options)
        build(pipeline, prepared, describe(prepared))
        result = pipeline.run()
        if not is_local(beam_options):
            return 0
        result.wait_until_finish()
    show_summary(console, prepared.folder)
    return 0


def prepare(options: RunOptions) -> Run:
    """Look at the input and settle what the run needs to know (UsageError: it cannot start)."""
    events = inspect("events", options.events, options.events_columns, schema=EVENTS, newest="played_at")
    tracks = inspect("tracks", options.tracks, options.tracks_columns, schema=TRACKS) if options.tracks else None
    users = None
    if options.users_table:
        users = inspect("users_table", options.users_table, options.users_table_columns, schema=USERS)
    now = datetime.now(timezone.utc)
    as_of = options.as_of or just_after(events.newest, now)
    run_id = options.run_id or f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    if options.ranker:
        try:
            check_ranker(options.ranker)
        except (FileNotFoundError, ValueError) as error:
            raise UsageError(f"--ranker={options.ranker}: {error}") from error
    return Run(options, events, tracks, users, as_of, run_id)


def describe(run: Run) -> dict[str, Any]:
    """What the manifest says of a run apart from its results."""
    return {
        "homeshelf": version("homeshelf"),
        "as_of": run.as_of.isoformat(),
        "options": {name: str(value) for name, value in vars(run.options).items()},
        "schemas": {schema.name: fingerprint(schema) for schema in (PAGES, RANKED, REJECTED, FEATURE_ROWS)},
    }


if __name__ == "__main__":
    # by its package name: functions of __main__ would travel to workers by value
    from pipelines.cli import main

    sys.exit(main(["run", *sys.argv[1:]]))
