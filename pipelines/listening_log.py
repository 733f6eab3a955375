"""The part of the graph that reads the input: tables without erased users, cleaned events, ordered plays."""

from datetime import datetime
from typing import NamedTuple

import apache_beam as beam

from pipelines.inputs.inputs import InputTable
from pipelines.inputs.plan import RunPlan
from transforms.catalog.collect_tracks import CollectTracks, count_track_rows, tracks_of_events
from transforms.catalog.track_codes import READ_TRACKS, open_track_codes
from transforms.events.clean_events import CleanEvents, clean_events, count_user_rows, users_without_events
from transforms.events.clean_impressions import CleanImpressions
from transforms.events.drop_erased import ERASED, DropErased, count_erased, select_erased, union_erased
from transforms.events.impressions import IMPRESSION_ROWS
from transforms.events.order_histories import OrderHistories
from transforms.pages.write_carry_over import CARRY_OVER_PAGES, WriteCarryOver
from transforms.tables.buckets import CombineBuckets, GroupByBucket, MapBuckets, Opened, open_frame
from transforms.tables.columns import Schema
from transforms.tables.counts import COUNTS, sum_counts
from transforms.tables.read_tables import ReadTables
from transforms.tables.schemas import CHECKED, EVENT_ROWS, PLAYS, USER_ROWS


class ListeningLog(NamedTuple):
    """Tables of a run's input, without erased users.

    events: EVENT_ROWS as read. plays: PLAYS of whole users in order, by bucket. rejected: REJECTED. erased_rows: COUNTS
    of the events of erased users. carry_over: CARRY_OVER by bucket. impressions: IMPRESSION_ROWS that are kept.
    rejected_impressions: REJECTED_IMPRESSIONS. input_counts: COUNTS of rejected rows and cleared values.
    """

    events: beam.PCollection
    plays: beam.PCollection
    rejected: beam.PCollection
    tracks_path: beam.PCollection
    track_codes: Opened
    erased_rows: beam.PCollection | None
    carry_over: beam.PCollection | None
    impressions: beam.PCollection | None
    rejected_impressions: beam.PCollection | None
    input_counts: tuple[beam.PCollection, ...]


def read_listening_log(root: beam.Pipeline, run: RunPlan, *, known_before: datetime) -> ListeningLog:
    """Read, clean and order the events that the service knew before a moment; the tracks are those as of the run."""
    users, erased, user_counts = _read_users(root, run)
    tracks, track_counts = _read_tracks(root, run, erased)
    tracks_path = tracks | CollectTracks(f"{run.folder}/tracks", run.options.match_recordings)
    track_codes = Opened(tracks_path, open_track_codes)
    read = root | "ReadEvents" >> ReadTables(run.events.row_groups, EVENT_ROWS, run.events.column_mapping)
    events, erased_rows = read, None
    if erased is not None:
        events = read | DropErased(EVENT_ROWS, erased)
        erased_rows = read | CombineBuckets(count_erased, sum_counts, out=COUNTS, erased=Opened(erased, open_frame))
    max_events = run.options.max_user_events
    cleaned, rejected = events | CleanEvents(known_before, run.options.min_played_at, track_codes, max_events)
    grouped = (cleaned, *users) | beam.Flatten() | GroupByBucket("user_id", run.num_buckets)
    plays, duplicates = grouped | OrderHistories(track_codes, max_events)
    all_rejected = (rejected, duplicates) | "AllRejected" >> beam.Flatten()
    carry_over = _read_carry_over(root, run, erased, track_codes)
    impressions = rejected_impressions = None
    input_counts = (*user_counts, *track_counts)
    if run.impressions is not None and not run.ranker:
        shown = _read(root, "Impressions", run.impressions, IMPRESSION_ROWS, erased)
        clean = CleanImpressions(known_before, run.options.min_played_at, track_codes)
        impressions, rejected_impressions, counts = shown | clean
        input_counts = (*input_counts, counts)
    return ListeningLog(
        events,
        plays,
        all_rejected,
        tracks_path,
        track_codes,
        erased_rows,
        carry_over,
        impressions,
        rejected_impressions,
        input_counts,
    )


def _read(
    root: beam.Pipeline, name: str, table: InputTable, schema: Schema, erased: beam.PCollection | None
) -> beam.PCollection:
    """Read an input table without the rows of erased users."""
    rows = root | f"Read{name}" >> ReadTables(table.row_groups, schema, table.column_mapping)
    return rows if erased is None else rows | f"DropErased{name}" >> DropErased(schema, erased)


def _read_carry_over(
    root: beam.Pipeline, run: RunPlan, erased: beam.PCollection | None, track_codes: Opened
) -> beam.PCollection | None:
    """Return CARRY_OVER of all earlier runs of the week, by bucket."""
    kept = []
    for day, table in run.carry_over.items():
        pages = _read(root, f"Pages {day}", table, CARRY_OVER_PAGES, erased)
        kept.append(pages | f"WriteCarryOver {day}" >> WriteCarryOver(day, track_codes))
    if not kept:
        return None
    return kept | "CarryOver" >> beam.Flatten() | "GroupCarryOver" >> GroupByBucket("user_id", run.num_buckets)


def _read_tracks(
    root: beam.Pipeline, run: RunPlan, erased: beam.PCollection | None
) -> tuple[beam.PCollection, list[beam.PCollection]]:
    """Return READ_TRACKS of the track table, and its COUNTS, or, without one, of the tracks in valid events.

    Reading the events twice is cheaper than keeping all of them until the tracks are known.
    """
    if run.tracks is not None:
        tracks = root | "ReadTracks" >> ReadTables(run.tracks.row_groups, READ_TRACKS, run.tracks.column_mapping)
        return tracks, [tracks | "CountTrackRows" >> CombineBuckets(count_track_rows, sum_counts, out=COUNTS)]
    clean = MapBuckets(
        clean_events,
        out=CHECKED,
        as_of=run.as_of,
        min_played_at=run.options.min_played_at,
        track_codes=None,
        max_user_events=None,
    )
    events = _read(root, "ForTracks", run.events, EVENT_ROWS, erased)
    return events | "CleanForTracks" >> clean | MapBuckets(tracks_of_events, out=READ_TRACKS), []


def _read_users(
    root: beam.Pipeline, run: RunPlan
) -> tuple[list[beam.PCollection], beam.PCollection | None, list[beam.PCollection]]:
    """Return the users of the table as PLAYS without a track, the ERASED ids, which are not among them, and COUNTS."""
    erased, users = [], None
    if run.erase is not None:
        erased.append(root | "ReadErased" >> ReadTables(run.erase.row_groups, ERASED, run.erase.column_mapping))
    if run.users is not None:
        users = root | "ReadUsers" >> ReadTables(run.users.row_groups, USER_ROWS, run.users.column_mapping)
        erased.append(users | MapBuckets(select_erased, out=ERASED))
    if not erased:
        return [], None, []
    distinct = erased | "AllErased" >> beam.Flatten() | CombineBuckets(union_erased, union_erased, out=ERASED)
    if users is None:
        return [], distinct, []
    kept = users | "DropErasedUsers" >> DropErased(USER_ROWS, distinct)
    counts = users | CombineBuckets(count_user_rows, sum_counts, out=COUNTS)
    return [kept | MapBuckets(users_without_events, out=PLAYS)], distinct, [counts]
