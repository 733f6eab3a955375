"""The part of the graph that learns from plays: catalogs, towers and examples of several moments, blend and ranker."""

from datetime import datetime
from functools import partial
from typing import NamedTuple

import apache_beam as beam

from pipelines.inputs.plan import RunPlan
from pipelines.learning import chosen_ranker, fit_towers, tower_options, train_and_save_ranker
from pipelines.listening_log import ListeningLog
from transforms.candidates.fit_decay import FitDecay, fitted_decay
from transforms.candidates.match_new_tracks import MatchNewTracks
from transforms.catalog.build_catalog import BuildCatalog
from transforms.catalog.count_markets import CountMarkets
from transforms.catalog.decode_tracks import DecodeTracks
from transforms.embeddings.sample_sequences import SampleSequences
from transforms.embeddings.train_towers import TrainTowers
from transforms.features.feature_tables import FEATURE_ROWS, HOLDOUT_ROWS
from transforms.features.fit_blend import FitBlend
from transforms.features.hydrate import Snapshot
from transforms.features.sample_examples import SampleExamples
from transforms.ranking.train_ranker import RankerPlan, TrainRanker
from transforms.tables.artifacts import Single
from transforms.tables.columns import Schema
from transforms.tables.write_tables import WriteTables


class FittedModels(NamedTuple):
    """Results of fit_models().

    snapshot: inputs of candidates as of the last moment. ranker_path: None: the run makes features only.
    feature_files: the files of each table of examples; empty: the ranker was given.
    """

    snapshot: Snapshot
    blend_path: beam.PCollection
    ranker_path: beam.PCollection | None
    feature_files: list[beam.PCollection]


def fit_models(root: beam.Pipeline, run: RunPlan, log: ListeningLog, history: beam.PCollection) -> FittedModels:
    """Fit catalogs, towers, blend and ranker to the plays in `history`; a given ranker brings its blend along."""
    snapshots = _take_snapshots(run, log, history)
    if run.ranker:
        given = root | "GivenRanker" >> Single(run.ranker)
        return FittedModels(snapshots[-1], given, given, [])
    examples_of = snapshots if run.is_learning else snapshots[:-1]
    blend_path = _fit_blend(run, history, examples_of[-2])
    files = _write_examples(run, log, history, examples_of, blend_path)
    ranker_path = None if run.mode == "features" else _train_ranker(run, files, examples_of[-2], blend_path)
    return FittedModels(snapshots[-1], blend_path, ranker_path, files)


def _take_snapshots(run: RunPlan, log: ListeningLog, history: beam.PCollection) -> list[Snapshot]:
    """Return the inputs of candidates as of each of the run's moments; each moment's towers start from the ones before.

    New tracks are matched with all users, even if an evaluation recommends for some only.
    """
    options, snapshots = run.options, []
    embeddings_path: beam.PCollection | str = run.embeddings
    for number, catalog_path in enumerate(build_catalogs(run, log, history, run.moments)):
        as_of = run.moments[number]
        sample = SampleSequences(as_of, options.max_training_users, options.seed)
        towers = TrainTowers(
            catalog_path=catalog_path,
            tracks_path=log.tracks_path,
            warm_start_path=embeddings_path,
            as_of=as_of,
            folder=f"{run.folder}/embeddings",
            fit=partial(fit_towers, tower_options(options)),
        )
        embeddings_path = history | f"SampleSequences{number}" >> sample | f"TrainTowers{number}" >> towers
        match = MatchNewTracks(catalog_path, embeddings_path, as_of, options.new_track_floor)
        new_tracks = history | f"MatchNewTracks{number}" >> match
        carry_over = log.carry_over if as_of == run.as_of else None
        snapshots.append(Snapshot(catalog_path, embeddings_path, new_tracks, as_of, carry_over))
    return snapshots


def build_catalogs(
    run: RunPlan, log: ListeningLog, plays: beam.PCollection, moments: tuple[datetime, ...]
) -> tuple[beam.PCollection, ...]:
    """Return the paths of the catalogs as of several moments."""
    half_life, num_buckets = run.options.half_life_days, run.num_buckets
    markets = tuple(
        plays | f"Markets{number}" >> CountMarkets(as_of, half_life, num_buckets)
        for number, as_of in enumerate(moments)
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


def _fit_blend(run: RunPlan, history: beam.PCollection, snapshot: Snapshot) -> beam.PCollection:
    """Return the path of the blend, fitted to the last label window that the ranker is trained on.

    The blend is fitted on training labels, and its score is a ranker feature; held-out labels are from a later window.
    """
    label_days = run.options.label_days
    decay = fitted_decay(history | FitDecay(snapshot.as_of, label_days))
    return history | FitBlend(snapshot, decay, label_days, f"{run.folder}/blends", run.options.seed)


def _write_examples(
    run: RunPlan, log: ListeningLog, plays: beam.PCollection, snapshots: list[Snapshot], blend_path: beam.PCollection
) -> list[beam.PCollection]:
    """Return the files of training examples, in the order of the snapshots, and last those of held-out examples."""
    older = [Schema(f"features_{number}", FEATURE_ROWS.columns) for number in run.options.training_windows[:-1]]
    schemas = (*older, FEATURE_ROWS, HOLDOUT_ROWS)
    files = []
    for snapshot, schema in zip(snapshots, schemas, strict=True):
        examples = plays | f"Sample {schema.name}" >> _sample_examples(run, log, snapshot, blend_path)
        named = examples | f"Name {schema.name}" >> DecodeTracks(log.track_codes, schema)
        files.append(named | f"Write {schema.name}" >> write_table(run, schema, "user_id", "track"))
    return files


def _sample_examples(
    run: RunPlan, log: ListeningLog, snapshot: Snapshot, blend_path: beam.PCollection
) -> SampleExamples:
    return SampleExamples(
        snapshot=snapshot,
        blend_path=blend_path,
        impressions=log.impressions,
        track_codes=log.track_codes,
        max_candidates=run.options.max_candidates,
        label_days=run.options.label_days,
        known_until=run.as_of,
        max_users=run.options.max_training_users,
        seed=run.options.seed,
    )


def _train_ranker(
    run: RunPlan, files: list[beam.PCollection], snapshot: Snapshot, blend_path: beam.PCollection
) -> beam.PCollection:
    """Return the path of the ranker, trained on all examples but the last ones, which are held out."""
    options, (*training, holdout) = run.options, files
    plan = RankerPlan(
        model=chosen_ranker(options).name,
        train=partial(train_and_save_ranker, options),
        min_plays=options.min_track_plays,
        checkpoints=f"{run.folder}/checkpoints",
    )
    train = TrainRanker(
        catalog_path=snapshot.catalog_path,
        blend_path=blend_path,
        holdout=holdout,
        folder=f"{run.folder}/models",
        plan=plan,
    )
    return training | "TrainingFiles" >> beam.Flatten() | train


def write_table(run: RunPlan, schema: Schema, *order: str) -> WriteTables:
    """Return the stage that writes a table of the run, each file sorted by the columns `order`."""
    return WriteTables(schema, run.folder, run.num_shards, order)
