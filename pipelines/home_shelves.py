"""The main job: build() is the whole story as one graph of stages."""

import sys
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam

from pipelines.inputs.plan import RunPlan
from pipelines.learning import chosen_ranker, fit_towers, tower_options, train_and_save_ranker
from pipelines.listening_log import ListeningLog, read_listening_log
from pipelines.options.clock import utc_now
from transforms.candidates.fit_decay import FitDecay, fitted_decay
from transforms.candidates.match_new_tracks import MatchNewTracks
from transforms.catalog.build_catalog import BuildCatalog
from transforms.catalog.count_markets import CountMarkets
from transforms.catalog.decode_tracks import DecodeTracks
from transforms.embeddings.sample_sequences import SampleSequences
from transforms.embeddings.train_towers import TrainTowers
from transforms.features.feature_tables import FEATURE_ROWS, HOLDOUT_ROWS, RANKED
from transforms.features.fit_blend import FitBlend
from transforms.features.generate_candidates import GenerateCandidates
from transforms.features.hydrate import Snapshot
from transforms.features.sample_examples import SampleExamples
from transforms.pages.assemble_pages import AssemblePages
from transforms.publishing.gates import GateSettings
from transforms.publishing.manifest import Manifest, RunMetrics
from transforms.publishing.measure_run import MeasureRun, NewTrackFloor
from transforms.publishing.publish_run import Publication, PublishRun
from transforms.ranking.rankers import load_ranker
from transforms.ranking.score_candidates import ScoreCandidates
from transforms.ranking.train_ranker import RankerPlan, TrainRanker
from transforms.tables.columns import Schema
from transforms.tables.schemas import PAGES, REJECTED
from transforms.tables.write_tables import WriteTables

# Users whose candidates are enough for the histograms of a run.
MAX_HISTOGRAM_USERS = 2_000


class Learned(NamedTuple):
    """What the stages before any page make of the plays: examples, and a ranker where one is to be trained."""

    catalog_path: beam.PCollection
    embeddings_path: beam.PCollection
    blend_path: beam.PCollection
    ranker_path: beam.PCollection | None
    feature_files: list[beam.PCollection]


class Recommended(NamedTuple):
    """What the stages make of the plays."""

    catalog_path: beam.PCollection
    embeddings_path: beam.PCollection
    blend_path: beam.PCollection
    ranker_path: beam.PCollection
    feature_files: list[beam.PCollection]
    scored: beam.PCollection
    pages: beam.PCollection


def build_home_shelves(root: beam.Pipeline, run: RunPlan, draft: Manifest, gate: GateSettings) -> beam.PCollection:
    """Build the graph from events to a published run; yields the path of the manifest."""
    log = read_listening_log(root, run, known_before=run.as_of)
    made: Learned | Recommended = (
        _learn(run, log) if run.is_learning else recommend(root, run, log, log.plays, log.plays)
    )
    rejected = log.rejected | "PublishRejected" >> _table(run, REJECTED, *REJECTED.names)
    files = (*made.feature_files, *_page_files(run, log, made), rejected) | "Files" >> beam.Flatten()
    artifacts = {"tracks": log.tracks_path, "catalog": made.catalog_path, "embeddings": made.embeddings_path}
    artifacts["blend"] = made.blend_path
    return files | PublishRun(
        Publication(run.folder, draft, gate, utc_now, moves_pointer=not run.is_learning),
        events=log.events,
        plays=log.plays,
        rejected=log.rejected,
        pages=None if isinstance(made, Learned) else made.pages,
        erased=log.erased_rows,
        artifacts=artifacts if made.ranker_path is None else {**artifacts, "ranker": made.ranker_path},
        metrics=_metrics(root, run, log, made),
    )


def _page_files(run: RunPlan, log: ListeningLog, made: Learned | Recommended) -> list[beam.PCollection]:
    """The files of pages and candidates."""
    if isinstance(made, Learned):
        return []
    named = made.scored | "NameCandidates" >> DecodeTracks(log.track_codes, RANKED)
    return [
        made.pages | "PublishPages" >> _table(run, PAGES, "user_id", "surface"),
        named | "PublishCandidates" >> _table(run, RANKED, "user_id", "track_id"),
    ]


def _metrics(root: beam.Pipeline, run: RunPlan, log: ListeningLog, made: Learned | Recommended) -> beam.PCollection:
    """Return the JSON text of the run's metrics; a run without pages has none."""
    if isinstance(made, Learned):
        return root | "NoMetrics" >> beam.Create([RunMetrics().to_json()])
    return made.pages | MeasureRun(
        log.plays,
        made.scored,
        made.catalog_path,
        MAX_HISTOGRAM_USERS,
        run.options.seed,
        NewTrackFloor(run.as_of, run.options.new_track_floor),
    )


def recommend(
    root: beam.Pipeline, run: RunPlan, log: ListeningLog, history: beam.PCollection, users: beam.PCollection
) -> Recommended:
    """From plays to pages: `history` holds the plays to learn from, `users` those of the users to recommend for."""
    *earlier, now = _moments(run, log, history)
    if run.ranker:
        # a ranker's artifact holds the merge that its features tell of
        ranker_path, feature_files = root | "GivenRanker" >> beam.Create([run.ranker]), []
        blend_path = ranker_path
    else:
        blend_path = _blend(run, history, earlier[-2])
        feature_files = _examples(run, log, history, earlier, blend_path)
        ranker_path = _trained(run, feature_files, earlier[-2], blend_path)
    candidates = users | GenerateCandidates(now, blend_path, run.options.max_candidates)
    scored = candidates | ScoreCandidates(ranker_path, now.catalog_path, load_ranker)
    pages = scored | AssemblePages(now.catalog_path, now.embeddings_path, run.policy, run.rules)
    return Recommended(now.catalog_path, now.embeddings_path, blend_path, ranker_path, feature_files, scored, pages)


def _moments(run: RunPlan, log: ListeningLog, history: beam.PCollection) -> list[Snapshot]:
    """What candidates are made from at each of the run's moments; the towers of one continue those of the one before.

    New tracks are matched with everyone, also where an evaluation recommends for some only.
    """
    options, moments = run.options, []
    embeddings_path: Any = run.embeddings
    for place, catalog_path in enumerate(build_catalogs(run, log, history, run.moments)):
        as_of = run.moments[place]
        sample = SampleSequences(as_of, options.max_training_users, options.seed)
        towers = TrainTowers(
            catalog_path=catalog_path,
            tracks_path=log.tracks_path,
            earlier=embeddings_path,
            as_of=as_of,
            folder=f"{run.folder}/embeddings",
            fit=partial(fit_towers, tower_options(options)),
        )
        embeddings_path = history | f"SampleSequences{place}" >> sample | f"TrainTowers{place}" >> towers
        match = MatchNewTracks(catalog_path, embeddings_path, as_of, options.new_track_floor)
        new_tracks = history | f"MatchNewTracks{place}" >> match
        is_now = as_of == run.as_of
        moments.append(Snapshot(catalog_path, embeddings_path, new_tracks, as_of, log.carry_over if is_now else None))
    return moments


def _blend(run: RunPlan, history: beam.PCollection, moment: Snapshot) -> beam.PCollection:
    """The path of the merge: fitted to the last label window that the ranker is trained on.

    Its twenty weights are fitted to the labels of examples that its fusion is then a feature of; the held-out ones are
    of a later window.
    """
    label_days = run.options.label_days
    decay = fitted_decay(history | FitDecay(moment.as_of, label_days))
    return history | FitBlend(moment, decay, label_days, f"{run.folder}/blends", run.options.seed)


def build_catalogs(
    run: RunPlan, log: ListeningLog, plays: beam.PCollection, moments: tuple[datetime, ...]
) -> tuple[beam.PCollection, ...]:
    """The catalogs of some plays as of some moments."""
    half_life, num_buckets = run.options.half_life_days, run.num_buckets
    markets = tuple(
        plays | f"Markets{place}" >> CountMarkets(as_of, half_life, num_buckets) for place, as_of in enumerate(moments)
    )
    build = BuildCatalog(
        moments=moments,
        markets=markets,
        tracks_path=log.tracks_path,
        folder=f"{run.folder}/catalogs",
        num_buckets=num_buckets,
        num_neighbours=run.options.num_neighbours,
        half_life_days=half_life,
    )
    return tuple(plays | build)


def _learn(run: RunPlan, log: ListeningLog) -> Learned:
    """From plays to examples, and to a ranker if asked."""
    moments = _moments(run, log, log.plays)
    blend_path = _blend(run, log.plays, moments[-2])
    files = _examples(run, log, log.plays, moments, blend_path)
    ranker_path = _trained(run, files, moments[-2], blend_path) if run.mode == "train" else None
    return Learned(moments[-1].catalog_path, moments[-1].embeddings_path, blend_path, ranker_path, files)


def _examples(
    run: RunPlan, log: ListeningLog, plays: beam.PCollection, moments: list[Snapshot], blend_path: beam.PCollection
) -> list[beam.PCollection]:
    """The files that the ranker is trained on, of the moments in order, and those that it is judged on, the last."""
    older = [Schema(f"features_{number}", FEATURE_ROWS.columns) for number in run.options.training_windows[:-1]]
    schemas = (*older, FEATURE_ROWS, HOLDOUT_ROWS)
    return [
        _features(run, log, plays, moment, blend_path, schema) for moment, schema in zip(moments, schemas, strict=True)
    ]


def _trained(
    run: RunPlan, files: list[beam.PCollection], training_at: Snapshot, blend_path: beam.PCollection
) -> beam.PCollection:
    """Return the path of the ranker."""
    options, (*training, holdout) = run.options, files
    plan = RankerPlan(
        model=chosen_ranker(options).name,
        train=partial(train_and_save_ranker, options),
        min_plays=options.min_track_plays,
        checkpoints=f"{run.folder}/checkpoints",
    )
    train = TrainRanker(
        catalog_path=training_at.catalog_path,
        blend_path=blend_path,
        holdout=holdout,
        folder=f"{run.folder}/models",
        plan=plan,
    )
    return training | "TrainingFiles" >> beam.Flatten() | train


def _features(
    run: RunPlan,
    log: ListeningLog,
    plays: beam.PCollection,
    moment: Snapshot,
    blend_path: beam.PCollection,
    schema: Schema,
) -> beam.PCollection:
    """The files of the examples of one cutoff."""
    sample = SampleExamples(
        snapshot=moment,
        blend_path=blend_path,
        impressions=log.impressions,
        track_codes=log.track_codes,
        max_candidates=run.options.max_candidates,
        label_days=run.options.label_days,
        known_until=run.as_of,
        max_users=run.options.max_training_users,
        seed=run.options.seed,
    )
    examples = plays | f"Sample {schema.name}" >> sample
    named = examples | f"Name {schema.name}" >> DecodeTracks(log.track_codes, schema)
    return named | f"Publish {schema.name}" >> _table(run, schema, "user_id", "track")


def _table(run: RunPlan, schema: Schema, *order: str) -> WriteTables:
    return WriteTables(schema, run.folder, run.num_shards, order)


if __name__ == "__main__":
    # by its package name: functions of __main__ would travel to workers by value
    from pipelines.cli import main

    sys.exit(main(["run", *sys.argv[1:]]))
