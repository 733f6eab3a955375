"""The part of the graph for Now Playing: what comes next while a listener listens."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import apache_beam as beam

from pipelines.fit_models import write_table
from pipelines.inputs.plan import RunPlan
from pipelines.learning import fit_skip_models, open_skip_trees
from pipelines.listening_log import ListeningLog
from transforms.catalog.build_catalog import count_tracks, sum_track_counts
from transforms.now_playing.count_transitions import CountTransitions
from transforms.now_playing.publish_successors import PublishSuccessors
from transforms.now_playing.queues.compose_queues import ComposeQueues, QueueRecipe
from transforms.now_playing.queues.count_queues import count_queues
from transforms.now_playing.queues.list_seeds import SEEDS, list_seeds
from transforms.now_playing.queues.queue_tables import QUEUES, QueuePolicy
from transforms.now_playing.rank_successors import RankSuccessors
from transforms.now_playing.skips.sample_skips import SampleSkips, SkipWindow
from transforms.now_playing.skips.train_skips import TrainSkips
from transforms.now_playing.store_successors import StoreSuccessors
from transforms.now_playing.successor_tables import SUCCESSORS
from transforms.tables.buckets import CombineBuckets, MapBuckets
from transforms.tables.counts import COUNTS
from transforms.tables.schemas import TRACK_COUNTS

# Plays whose skips are learned.
_SKIP_WINDOW = timedelta(days=14)


class NowPlaying(NamedTuple):
    """Files of the tables of Now Playing, the paths of what was learned, by name, and COUNTS of queues."""

    files: list[beam.PCollection]
    artifacts: Mapping[str, beam.PCollection]
    counts: tuple[beam.PCollection, ...]


def build_now_playing(
    run: RunPlan, policy: QueuePolicy, log: ListeningLog, catalog_path: beam.PCollection
) -> NowPlaying:
    """Build the part of the graph from plays and the catalog as of the run to the tables of Now Playing."""
    counts = log.plays | CountTransitions(run.as_of, run.num_buckets)
    successors = counts | RankSuccessors(catalog_path, log.tracks_path, run.as_of)
    published = successors | PublishSuccessors(catalog_path, run.rules, run.as_of)
    successors_path = successors | StoreSuccessors(log.tracks_path, f"{run.folder}/successor_lists")
    window = SkipWindow(run.as_of - _SKIP_WINDOW, run.as_of, run.options.seed)
    sample = SampleSkips(_count(run, log, window.starts_at), log.tracks_path, window, run.options.max_training_users)
    fit = partial(fit_skip_models, run.options.seed)
    skips_path = log.plays | sample | TrainSkips(f"{run.folder}/skips", fit)
    queues = log.plays | ComposeQueues(
        counts=_count(run, log, run.as_of),
        catalog_path=catalog_path,
        tracks_path=log.tracks_path,
        successors_path=successors_path,
        skips_path=skips_path,
        recipe=QueueRecipe(run.rules, policy, open_skip_trees),
    )
    files = [
        published | "WriteSuccessors" >> write_table(run, SUCCESSORS, "track_id", "market"),
        queues | "WriteQueues" >> write_table(run, QUEUES, "user_id", "context", "context_id"),
        queues
        | MapBuckets(list_seeds, out=SEEDS)
        | "WriteSeeds" >> write_table(run, SEEDS, "user_id", "context", "context_id"),
    ]
    counted = queues | MapBuckets(count_queues, out=COUNTS)
    return NowPlaying(files, {"successors": successors_path, "skips": skips_path}, (counted,))


def _count(run: RunPlan, log: ListeningLog, as_of: datetime) -> beam.PCollection:
    """Return the counts of plays and skips of every track before a moment."""
    count = CombineBuckets(
        count_tracks, sum_track_counts, out=TRACK_COUNTS, as_of=as_of, half_life_days=run.options.half_life_days
    )
    return log.plays | f"CountTracks {as_of:%Y-%m-%d}" >> count
