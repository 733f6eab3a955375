"""Featurization by the product's own stages: read, clean, bucket, catalog and user features, nothing after that."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.inputs.inputs import inspect_input
from pipelines.options.beam_flags import parse_beam
from pipelines.options.options import RunOptions
from tests.benchmarks.graph.user_facts import USER_FACTS, reduce_history
from tests.benchmarks.sampler import Sampler
from tests.benchmarks.stage_times import stage_times
from transforms.candidates.user_history import DEFAULT_DECAY, summarize_history
from transforms.catalog.build_catalog import BuildCatalog
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.catalog.collect_tracks import CollectTracks
from transforms.catalog.count_markets import CountMarkets
from transforms.catalog.track_codes import READ_TRACKS, open_track_codes
from transforms.events.clean_events import CleanEvents
from transforms.events.order_histories import OrderHistories
from transforms.publishing.publish_run import count_rejected
from transforms.reading.read_tables import ReadTables
from transforms.tables.buckets import CombineBuckets, GroupByBucket, MapBuckets, Opened
from transforms.tables.counts import COUNTS, sum_counts
from transforms.tables.schemas import EVENT_ROWS, EVENTS, TRACKS


def featurize(events: list[str], tracks: str, output: str, as_of: str) -> dict[str, Any]:
    """Write users/, rejected/ and catalogs/ below `output`; return the stages' times."""
    at, most = datetime.fromisoformat(as_of), RunOptions(events="", output="").max_user_events
    event_files = inspect_input("events", ",".join(events), "", schema=EVENTS)
    track_files = inspect_input("tracks", tracks, "", schema=TRACKS)
    num_buckets = max(8, -(-event_files.num_rows // 500_000))  # as Run.num_buckets

    root = beam.Pipeline(options=parse_beam([]))
    track_rows = root | "ReadTracks" >> ReadTables(track_files.row_groups, READ_TRACKS, {})
    tracks_path = track_rows | CollectTracks(f"{output}/tracks", match_names=True)
    track_codes = Opened(tracks_path, open_track_codes)
    read = root | "ReadEvents" >> ReadTables(event_files.row_groups, EVENT_ROWS, {})
    cleaned, rejected = read | CleanEvents(at, RunOptions.min_played_at, track_codes, most)
    plays, duplicates = cleaned | GroupByBucket("user_id", num_buckets) | OrderHistories(track_codes, most, None)
    (catalog_path,) = plays | BuildCatalog(
        moments=(at,),
        markets=(plays | CountMarkets(at, RunOptions.half_life_days, num_buckets),),
        tracks_path=tracks_path,
        folder=f"{output}/catalogs",
        num_buckets=num_buckets,
        num_neighbours=RunOptions.num_neighbours,
        half_life_days=RunOptions.half_life_days,
    )
    catalog = Opened(catalog_path, open_catalog)
    users = plays | MapBuckets(summarize_users, out=USER_FACTS, catalog=catalog, as_of=at)
    counts = (rejected, duplicates) | beam.Flatten() | CombineBuckets(count_rejected, sum_counts, out=COUNTS)
    users | "WriteUsers" >> beam.MapTuple(partial(write_part, f"{output}/users"))
    counts | "WriteCounts" >> beam.MapTuple(partial(write_part, f"{output}/rejected"))
    with Sampler() as sampler:
        result = root.run()
        result.wait_until_finish()
    return {"stages": stage_times(result), **sampler.report()}


def summarize_users(plays: pl.DataFrame, *, catalog: Catalog, as_of: datetime) -> pl.DataFrame:
    """Turn PLAYS into USER_FACTS."""
    history = summarize_history(plays, catalog=catalog, as_of=as_of, decay=DEFAULT_DECAY)
    return reduce_history(history.users, history.tracks, history.artists, history.genres, history.disliked)


def write_part(folder: str, key: int, table: pa.Table) -> None:
    """Write one table; the files of a folder together are one table."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    pq.write_table(table, f"{folder}/{key}.parquet")
