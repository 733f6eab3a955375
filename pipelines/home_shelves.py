"""The main job: build() is the whole story as one graph of stages."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam

from models.contract import FeatureSpec, Passes, Ranker
from pipelines.inputs import Input
from pipelines.options import StageOptions
from transforms.assemble_pages import AssemblePages
from transforms.buckets import GroupByBucket, MapBuckets, Opened
from transforms.build_catalog import BuildCatalog
from transforms.clean_events import CleanEvents, clean_events, without_events
from transforms.collect_tracks import CollectTracks, tracks_of_events
from transforms.columns import Schema
from transforms.features import FEATURE_ROWS, HOLDOUT_ROWS, RANKED
from transforms.generate_candidates import GenerateCandidates
from transforms.name_tracks import NameTracks
from transforms.order_histories import OrderHistories
from transforms.publish_run import PublishRun
from transforms.publish_tables import PublishTables
from transforms.read_tables import ReadTables
from transforms.sample_examples import SampleExamples
from transforms.schemas import CHECKED, EVENT_ROWS, PAGES, PLAYS, REJECTED, USER_ROWS
from transforms.score_candidates import ScoreCandidates
from transforms.tracks import READ_TRACKS, open_track_codes
from transforms.train_models import TrainModels


@dataclass(frozen=True)
class Run:
    """What stands at one moment: what is asked, what is there to read, where everything is written."""

    options: StageOptions
    events: Input
    tracks: Input | None
    users: Input | None
    as_of: datetime
    folder: str
    ranker: str = ""

    @property
    def moments(self) -> tuple[datetime, ...]:
        """For which moments a catalog is needed, the run's own last.

        The ranker is trained on the candidates of two label windows ago, and judged on those of one window ago:

            history ... | training -- labels --> | holdout -- labels --> | as_of
        """
        window = timedelta(days=self.options.label_days)
        return (self.as_of,) if self.ranker else (self.as_of - 2 * window, self.as_of - window, self.as_of)

    @property
    def num_buckets(self) -> int:
        """How many buckets: given, or so that one has about 500,000 events and users."""
        num_rows = self.events.num_rows + (self.users.num_rows if self.users else 0)
        return self.options.num_buckets or max(8, -(-num_rows // 500_000))

    @property
    def num_shards(self) -> int:
        """How many files per table: given, or from the events; the buckets must not show in the bytes."""
        return self.options.num_shards or max(1, -(-self.events.num_rows // 2_000_000))


class Log(NamedTuple):
    """The events, sorted out: the tables as read, the plays of whole users in order, and what does not count."""

    events: beam.PCollection
    plays: beam.PCollection
    rejected: beam.PCollection
    tracks_path: beam.PCollection
    track_codes: Opened


class Recommended(NamedTuple):
    """What the stages make of the plays."""

    catalog_path: beam.PCollection
    ranker_path: beam.PCollection
    feature_files: list[beam.PCollection]
    scored: beam.PCollection
    pages: beam.PCollection


def build(root: beam.Pipeline, run: Run, about: Mapping[str, Any], max_rejected_fraction: float) -> beam.PCollection:
    """Events in, published run out: one graph; yields the path of the manifest."""
    log = read_log(root, run, known_before=run.as_of)
    made = recommend(root, run, log, log.plays, log.plays)
    named = made.scored | "NameCandidates" >> NameTracks(log.track_codes, RANKED)
    files = (
        *made.feature_files,
        made.pages | "PublishPages" >> _table(run, PAGES, "user_id"),
        named | "PublishCandidates" >> _table(run, RANKED, "user_id", "track_id"),
        log.rejected | "PublishRejected" >> _table(run, REJECTED, *REJECTED.names),
    ) | "Files" >> beam.Flatten()
    day, name = run.folder.rsplit("/", 1)
    return files | PublishRun(
        day=day,
        run=name,
        events=log.events,
        plays=log.plays,
        rejected=log.rejected,
        artifacts={"tracks": log.tracks_path, "catalog": made.catalog_path, "ranker": made.ranker_path},
        about=about,
        max_rejected_fraction=max_rejected_fraction,
    )


def read_log(root: beam.Pipeline, run: Run, *, known_before: datetime) -> Log:
    """Read, clean and order the events that were known before a moment; the tracks are those as of the run."""
    tracks_path = _track_rows(root, run) | CollectTracks(f"{run.folder}/tracks")
    track_codes = Opened(tracks_path, open_track_codes)
    events = root | "ReadEvents" >> ReadTables(run.events.pieces, EVENT_ROWS, run.events.origins)
    cleaned, rejected = events | CleanEvents(known_before, track_codes)
    grouped = (cleaned, *_listed_users(root, run)) | beam.Flatten() | GroupByBucket("user_id", run.num_buckets)
    plays, duplicates = grouped | OrderHistories(track_codes)
    return Log(events, plays, (rejected, duplicates) | "AllRejected" >> beam.Flatten(), tracks_path, track_codes)


def recommend(
    root: beam.Pipeline, run: Run, log: Log, history: beam.PCollection, users: beam.PCollection
) -> Recommended:
    """From plays to pages: `history` holds the plays to learn from, `users` those of the users to recommend for."""
    options = run.options
    *earlier_catalogs, catalog_path = history | build_catalogs(run, log, run.moments)
    ranker_path, feature_files = _ranker(root, run, history, log.track_codes, earlier_catalogs)
    candidates = users | GenerateCandidates(catalog_path, run.as_of)
    scored = candidates | ScoreCandidates(ranker_path, catalog_path, load_ranker)
    pages = scored | AssemblePages(catalog_path, options.shelf_size, options.max_shelves)
    return Recommended(catalog_path, ranker_path, feature_files, scored, pages)


def build_catalogs(run: Run, log: Log, moments: tuple[datetime, ...]) -> BuildCatalog:
    """The catalogs as of some moments; apply it to the plays to count."""
    return BuildCatalog(
        moments=moments,
        tracks_path=log.tracks_path,
        folder=f"{run.folder}/catalogs",
        num_buckets=run.num_buckets,
        num_neighbours=run.options.num_neighbours,
        shrinkage=run.options.shrinkage,
        half_life_days=run.options.half_life_days,
    )


def _ranker(
    root: beam.Pipeline, run: Run, plays: beam.PCollection, track_codes: Opened, catalogs: list[beam.PCollection]
) -> tuple[beam.PCollection, list[beam.PCollection]]:
    """The path of the ranker, given or trained, and the files it was trained and judged on."""
    options = run.options
    if run.ranker:
        return root | "GivenRanker" >> beam.Create([run.ranker]), []
    training_catalog, holdout_catalog = catalogs
    training_at, holdout_at, _ = run.moments
    training = _features(run, plays, track_codes, training_catalog, training_at, FEATURE_ROWS)
    holdout = _features(run, plays, track_codes, holdout_catalog, holdout_at, HOLDOUT_ROWS)
    train = TrainModels(
        catalog_path=training_catalog,
        holdout=holdout,
        folder=f"{run.folder}/models",
        min_plays=options.min_track_plays,
        trial=partial(train_ranker, options),
    )
    return training | train, [training, holdout]


def _features(
    run: Run,
    plays: beam.PCollection,
    track_codes: Opened,
    catalog_path: beam.PCollection,
    cut_at: datetime,
    schema: Schema,
) -> beam.PCollection:
    """The files of the examples of one cut."""
    sample = SampleExamples(
        catalog_path=catalog_path,
        cut_at=cut_at,
        label_days=run.options.label_days,
        max_users=run.options.max_training_users,
        seed=run.options.seed,
    )
    examples = plays | f"Sample {schema.name}" >> sample
    named = examples | f"Name {schema.name}" >> NameTracks(track_codes, schema)
    return named | f"Publish {schema.name}" >> _table(run, schema, "user_id", "track")


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


def _table(run: Run, schema: Schema, *order: str) -> PublishTables:
    return PublishTables(schema, run.folder, run.num_shards, order)


# TensorFlow takes seconds to load: only the workers that train or score do it.


def train_ranker(
    options: StageOptions, training: Passes, holdout: Passes, spec: FeatureSpec, path: str, on_epoch: Any
) -> Any:
    """Train the ranker that these options ask for, judge it, save it (see models.trials)."""
    from models.ranker import RankerOptions
    from models.trials import run_trial

    ranker = RankerOptions(
        embedding_size=options.embedding_size,
        cross_layers=options.cross_layers,
        hidden=options.hidden_units,
        id_dropout=options.id_dropout,
        batch_size=options.batch_size,
        num_epochs=options.num_epochs,
        learning_rate=options.learning_rate,
        seed=options.seed,
    )
    return run_trial(training, holdout, spec, path, on_epoch, options=ranker, popularity="track_popularity")


def load_ranker(path: str) -> Ranker:
    """Open a saved ranker."""
    from models.serving import load_ranker as load

    return load(path)


if __name__ == "__main__":
    # by its package name: functions of __main__ would travel to workers by value
    from pipelines.cli import main

    sys.exit(main(["run", *sys.argv[1:]]))
