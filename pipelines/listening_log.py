"""The tables in: read, freed of users who are to be forgotten, cleaned, put in order and sorted out."""

from datetime import datetime
from typing import NamedTuple

import apache_beam as beam

from pipelines.inputs.plan import RunPlan
from transforms.catalog.collect_tracks import CollectTracks, tracks_of_events
from transforms.catalog.track_codes import READ_TRACKS, open_track_codes
from transforms.events.clean_events import CleanEvents, clean_events, users_without_events
from transforms.events.drop_erased import ERASED, DropErased, count_erased, select_erased, union_erased
from transforms.events.match_impressions import IMPRESSION_ROWS
from transforms.events.order_histories import OrderHistories
from transforms.pages.write_carry_over import CARRY_OVER_PAGES, WriteCarryOver
from transforms.tables.buckets import CombineBuckets, GroupByBucket, MapBuckets, Opened, open_frame
from transforms.tables.counts import COUNTS, sum_counts
from transforms.tables.read_tables import ReadTables
from transforms.tables.schemas import CHECKED, EVENT_ROWS, PLAYS, USER_ROWS


class ListeningLog(NamedTuple):
    """The events, sorted out: the tables as read, the plays of whole users in order, and what does not count."""

    events: beam.PCollection
    plays: beam.PCollection
    rejected: beam.PCollection
    tracks_path: beam.PCollection
    track_codes: Opened
    erased_rows: beam.PCollection | None
    carry_over: beam.PCollection | None
    impressions: beam.PCollection | None


def read_listening_log(root: beam.Pipeline, run: RunPlan, *, known_before: datetime) -> ListeningLog:
    """Read, clean and order the events that were known before a moment; the tracks are those as of the run."""
    users, erased = _users(root, run)
    tracks_path = _track_rows(root, run, erased) | CollectTracks(f"{run.folder}/tracks")
    track_codes = Opened(tracks_path, open_track_codes)
    read = root | "ReadEvents" >> ReadTables(run.events.row_groups, EVENT_ROWS, run.events.column_mapping)
    events, erased_rows = read, None
    if erased is not None:
        events = read | DropErased(EVENT_ROWS, erased)
        erased_rows = read | CombineBuckets(count_erased, sum_counts, out=COUNTS, erased=Opened(erased, open_frame))
    most = run.options.max_user_events
    cleaned, rejected = events | CleanEvents(known_before, track_codes, most)
    grouped = (cleaned, *users) | beam.Flatten() | GroupByBucket("user_id", run.num_buckets)
    plays, duplicates = grouped | OrderHistories(track_codes, most)
    all_rejected = (rejected, duplicates) | "AllRejected" >> beam.Flatten()
    carry_over = _carry_over(root, run, erased, track_codes)
    impressions = _impressions(root, run, erased)
    return ListeningLog(events, plays, all_rejected, tracks_path, track_codes, erased_rows, carry_over, impressions)


def _carry_over(
    root: beam.Pipeline, run: RunPlan, erased: beam.PCollection | None, track_codes: Opened
) -> beam.PCollection | None:
    """CARRY_OVER of all earlier runs of the week, by bucket."""
    kept = []
    for day, pages in run.carry_over.items():
        rows = root | f"ReadPages {day}" >> ReadTables(pages.row_groups, CARRY_OVER_PAGES, pages.column_mapping)
        if erased is not None:
            rows = rows | f"DropErasedPages {day}" >> DropErased(CARRY_OVER_PAGES, erased)
        kept.append(rows | f"WriteCarryOver {day}" >> WriteCarryOver(day, track_codes))
    if not kept:
        return None
    return kept | "CarryOver" >> beam.Flatten() | "GroupCarryOver" >> GroupByBucket("user_id", run.num_buckets)


def _impressions(root: beam.Pipeline, run: RunPlan, erased: beam.PCollection | None) -> beam.PCollection | None:
    """What was shown, where that is known and anything is to be learned of it."""
    if run.impressions is None or run.ranker:
        return None
    read = root | "ReadImpressions" >> ReadTables(
        run.impressions.row_groups, IMPRESSION_ROWS, run.impressions.column_mapping
    )
    return read if erased is None else read | "DropErasedImpressions" >> DropErased(IMPRESSION_ROWS, erased)


def _track_rows(root: beam.Pipeline, run: RunPlan, erased: beam.PCollection | None) -> beam.PCollection:
    """The track table; without one, the tracks of the events that count, in a reading of their own.

    Reading twice is cheaper than keeping all events until the tracks are known.
    """
    if run.tracks is not None:
        return root | "ReadTracks" >> ReadTables(run.tracks.row_groups, READ_TRACKS, run.tracks.column_mapping)
    read = root | "ReadForTracks" >> ReadTables(run.events.row_groups, EVENT_ROWS, run.events.column_mapping)
    events = read if erased is None else read | "DropErasedForTracks" >> DropErased(EVENT_ROWS, erased)
    return (
        events
        | "CleanForTracks"
        >> MapBuckets(clean_events, out=CHECKED, as_of=run.as_of, track_codes=None, max_user_events=None)
        | MapBuckets(tracks_of_events, out=READ_TRACKS)
    )


def _users(root: beam.Pipeline, run: RunPlan) -> tuple[list[beam.PCollection], beam.PCollection | None]:
    """Users of the user table, as plays without a track, and the ids of those to be forgotten, of whom none is left."""
    erased, users = [], None
    if run.erase is not None:
        erased.append(root | "ReadErased" >> ReadTables(run.erase.row_groups, ERASED, run.erase.column_mapping))
    if run.users is not None:
        users = root | "ReadUsers" >> ReadTables(run.users.row_groups, USER_ROWS, run.users.column_mapping)
        erased.append(users | MapBuckets(select_erased, out=ERASED))
    if not erased:
        return [], None
    distinct = erased | "AllErased" >> beam.Flatten() | CombineBuckets(union_erased, union_erased, out=ERASED)
    if users is None:
        return [], distinct
    kept = users | "DropErasedUsers" >> DropErased(USER_ROWS, distinct)
    return [kept | MapBuckets(users_without_events, out=PLAYS)], distinct
