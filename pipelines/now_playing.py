"""The part of the graph for Now Playing: what comes next while a listener listens."""

from datetime import date, timedelta
from typing import NamedTuple

import apache_beam as beam

from pipelines.fit_models import write_table
from pipelines.inputs.plan import RunPlan
from pipelines.listening_log import ListeningLog
from transforms.now_playing.count_transitions import CountTransitions
from transforms.now_playing.publish_successors import PublishSuccessors
from transforms.now_playing.rank_successors import RankSuccessors
from transforms.now_playing.successor_tables import SUCCESSORS


class NowPlaying(NamedTuple):
    """Files of the tables of Now Playing."""

    files: list[beam.PCollection]


def build_now_playing(run: RunPlan, log: ListeningLog, catalog_path: beam.PCollection) -> NowPlaying:
    """Build the part of the graph from plays and the catalog as of the run to the tables of Now Playing."""
    day = _day_of(run)
    counts = log.plays | CountTransitions(run.as_of, run.num_buckets)
    successors = counts | RankSuccessors(catalog_path, log.tracks_path, day)
    published = successors | PublishSuccessors(catalog_path, run.rules, day)
    return NowPlaying([published | "WriteSuccessors" >> write_table(run, SUCCESSORS, "track_id", "market")])


def _day_of(run: RunPlan) -> date:
    """Return the day that a run is for; one at midnight belongs to the day that ends."""
    return (run.as_of - timedelta(microseconds=1)).date()
