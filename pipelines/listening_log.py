"""The part of the graph that reads the input: tables without erased users, cleaned events, ordered plays."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import apache_beam as beam

from pipelines.inputs.inputs import InputTable
from pipelines.inputs.plan import RunPlan
from pipelines.inputs.state import table_of
from pipelines.options.clock import utc_now
from transforms.catalog.collect_tracks import CollectTracks, count_cleared_tracks, tracks_of_events
from transforms.catalog.reject_tracks import REJECTED_TRACKS, RejectTracks
from transforms.catalog.track_codes import READ_TRACKS, open_track_codes
from transforms.events.clean_events import CleanEvents, clean_events, count_cleared_users, users_without_events
from transforms.events.clean_impressions import CleanImpressions
from transforms.events.drop_erased import ERASED, DropErased, count_erased, select_erased, union_erased
from transforms.events.impressions import IMPRESSION_ROWS, REJECTED_IMPRESSIONS
from transforms.events.last_day import (
    IMPRESSION_KEYS,
    add_keys,
    count_last_day_impressions,
    count_last_day_plays,
    count_repeats,
    impression_keys,
)
from transforms.events.order_histories import OrderHistories
from transforms.events.reject_users import REJECTED_USERS, RejectUsers
from transforms.pages.write_carry_over import CARRY_OVER_PAGES, WriteCarryOver
from transforms.reading.read_tables import ReadTables, unreadable_counts
from transforms.state.add_day import AddDay
from transforms.state.commit_day import CommitDay
from transforms.state.state_days import StatePlan
from transforms.tables.buckets import CombineBuckets, Element, GroupByBucket, MapBuckets, OfBucket, Opened, open_frame
from transforms.tables.columns import Schema
from transforms.tables.counts import COUNTS
from transforms.tables.schemas import CHECKED, EVENT_ROWS, PLAYS, REJECTED, USER_ROWS


class ListeningLog(NamedTuple):
    """Tables of a run's input, without erased users.

    events: EVENT_ROWS as read. plays: PLAYS of whole users in order, by bucket. rejected: REJECTED. erased_rows: COUNTS
    of the events of erased users. carry_over: CARRY_OVER by bucket. tracks: READ_TRACKS; None: of the events.
    users: USER_ROWS. impressions: IMPRESSION_ROWS that are kept. rejected_impressions: REJECTED_IMPRESSIONS.
    input_counts: COUNTS of values that are cleared or cannot be read, and of the last day. erased: one ERASED table;
    None: nobody is.
    """

    events: beam.PCollection
    plays: beam.PCollection
    rejected: beam.PCollection
    tracks_path: beam.PCollection
    track_codes: Opened
    erased_rows: beam.PCollection | None
    carry_over: beam.PCollection | None
    tracks: beam.PCollection | None
    users: beam.PCollection | None
    impressions: beam.PCollection | None
    rejected_impressions: beam.PCollection | None
    input_counts: tuple[beam.PCollection, ...]
    erased: beam.PCollection | None


class RejectedTable(NamedTuple):
    """The rows of an input table that do not count, each with its reason."""

    schema: Schema
    rows: beam.PCollection


class _Reader:
    """Reads the input tables of a run; counts collects COUNTS of what is cleared or cannot be read."""

    def __init__(self, root: beam.Pipeline) -> None:
        self.root = root
        self.counts: list[beam.PCollection] = []

    def read(self, name: str, table: InputTable, schema: Schema) -> beam.PCollection:
        """Read all rows of an input table."""
        label = name.title()
        rows = self.root | f"Read{label}" >> ReadTables(table.row_groups, schema, table.column_mapping)
        count = beam.FlatMap(unreadable_counts, name).with_output_types(Element)
        self.counts.append(rows | f"Unreadable{label}" >> count)
        return rows


def read_listening_log(root: beam.Pipeline, run: RunPlan, *, known_before: datetime) -> ListeningLog:
    """Read, clean and order the events that the service knew before a moment; the tracks are those as of the run."""
    reader, options = _Reader(root), run.options
    users, erased = _read_users(reader, run)
    tracks = None if run.tracks is None else reader.read("tracks", run.tracks, READ_TRACKS)
    known_tracks = _tracks_of_events(root, run, erased) if tracks is None else tracks
    tracks_path = known_tracks | CollectTracks(f"{run.folder}/tracks", options.match_recordings)
    track_codes = Opened(tracks_path, open_track_codes)
    read = reader.read("events", run.events, EVENT_ROWS)
    events = _without_erased(read, "Events", EVENT_ROWS, erased)
    if run.state is not None:
        events = _add_to_state(reader, events, run.state, erased)
    clean = CleanEvents(known_before, options.min_played_at, track_codes, options.max_user_events)
    cleaned, rejected = events | clean
    listed = None if users is None else users | MapBuckets(users_without_events, out=PLAYS)
    plays, duplicates = _order(run, cleaned, listed, track_codes)
    impressions = rejected_impressions = None
    if run.impressions is not None:
        shown = _without_erased(
            reader.read("impressions", run.impressions, IMPRESSION_ROWS), "Impressions", IMPRESSION_ROWS, erased
        )
        clean = CleanImpressions(known_before, options.min_played_at, track_codes)
        impressions, rejected_impressions, cleared = shown | clean
        reader.counts += [cleared, *_count_last_day(impressions, known_before)]
    reader.counts.append(plays | MapBuckets(count_last_day_plays, out=COUNTS, as_of=known_before))
    return ListeningLog(
        events=events,
        plays=plays,
        rejected=(rejected, duplicates) | "AllRejected" >> beam.Flatten(),
        tracks_path=tracks_path,
        track_codes=track_codes,
        erased_rows=None if erased is None else _count_erased(read, erased, "Events"),
        carry_over=_read_carry_over(root, run, erased, track_codes),
        tracks=tracks,
        users=users,
        impressions=impressions,
        rejected_impressions=rejected_impressions,
        input_counts=(*reader.counts, *_count_cleared(tracks, users)),
        erased=erased,
    )


def _add_to_state(
    reader: _Reader, events: beam.PCollection, state: StatePlan, erased: beam.PCollection | None
) -> beam.PCollection:
    """Return EVENT_ROWS of all days, by bucket."""
    stored, files = events | AddDay(state)
    reader.counts.append(files | CommitDay(state, utc_now()))
    if erased is not None:
        reader.counts.append(_count_erased(stored, erased, "OfState"))
    return _without_erased(stored, "OfState", EVENT_ROWS, erased)


def _order(
    run: RunPlan, cleaned: beam.PCollection, listed: beam.PCollection | None, track_codes: Opened
) -> tuple[beam.PCollection, beam.PCollection]:
    """Return (plays, rejected) of whole users; with a state, what is cleaned is in their buckets already."""
    most, group = run.options.max_user_events, GroupByBucket("user_id", run.num_buckets)
    if run.state is None:
        together = (cleaned, *([] if listed is None else [listed])) | beam.Flatten()
        return tuple(together | group | OrderHistories(track_codes, most, None))
    of_bucket = None if listed is None else OfBucket(listed | group)
    return tuple(cleaned | OrderHistories(track_codes, most, of_bucket))


def rejected_tables(log: ListeningLog, num_buckets: int) -> Mapping[str, RejectedTable]:
    """Return the rejected rows of each input table, by its name."""
    found = {"events": RejectedTable(REJECTED, log.rejected)}
    if log.rejected_impressions is not None:
        found["impressions"] = RejectedTable(REJECTED_IMPRESSIONS, log.rejected_impressions)
    if log.tracks is not None:
        found["tracks"] = RejectedTable(REJECTED_TRACKS, log.tracks | RejectTracks(num_buckets))
    if log.users is not None:
        found["users"] = RejectedTable(REJECTED_USERS, log.users | RejectUsers(num_buckets))
    return found


def _without_erased(
    rows: beam.PCollection, name: str, schema: Schema, erased: beam.PCollection | None
) -> beam.PCollection:
    return rows if erased is None else rows | f"DropErased{name}" >> DropErased(schema, erased)


def _count_erased(events: beam.PCollection, erased: beam.PCollection, name: str) -> beam.PCollection:
    count = MapBuckets(count_erased, out=COUNTS, erased=Opened(erased, open_frame))
    return events | f"CountErased{name}" >> count


def _count_cleared(tracks: beam.PCollection | None, users: beam.PCollection | None) -> list[beam.PCollection]:
    """Return COUNTS of the values of tracks and users that cannot be."""
    counts = [] if tracks is None else [tracks | MapBuckets(count_cleared_tracks, out=COUNTS)]
    return counts if users is None else [*counts, users | MapBuckets(count_cleared_users, out=COUNTS)]


def _count_last_day(impressions: beam.PCollection, as_of: datetime) -> list[beam.PCollection]:
    """Return COUNTS of the impressions of the last day, and of those that are there twice."""
    counts = impressions | MapBuckets(count_last_day_impressions, out=COUNTS, as_of=as_of)
    keys = impressions | CombineBuckets(impression_keys, add_keys, out=IMPRESSION_KEYS, as_of=as_of)
    return [counts, keys | MapBuckets(count_repeats, out=COUNTS)]


def _read_carry_over(
    root: beam.Pipeline, run: RunPlan, erased: beam.PCollection | None, track_codes: Opened
) -> beam.PCollection | None:
    """Return CARRY_OVER of all earlier runs of the week, by bucket."""
    kept = []
    for day, table in run.carry_over.items():
        read = root | f"ReadPages {day}" >> ReadTables(table.row_groups, CARRY_OVER_PAGES, table.column_mapping)
        pages = _without_erased(read, f"Pages {day}", CARRY_OVER_PAGES, erased)
        kept.append(pages | f"WriteCarryOver {day}" >> WriteCarryOver(day, track_codes))
    if not kept:
        return None
    return kept | "CarryOver" >> beam.Flatten() | "GroupCarryOver" >> GroupByBucket("user_id", run.num_buckets)


def _tracks_of_events(root: beam.Pipeline, run: RunPlan, erased: beam.PCollection | None) -> beam.PCollection:
    """Return READ_TRACKS of the tracks in valid events, for a run without a track table.

    Reading the events twice is cheaper than keeping all of them until the tracks are known.
    """
    clean = MapBuckets(
        clean_events,
        out=CHECKED,
        as_of=run.as_of,
        min_played_at=run.options.min_played_at,
        track_codes=None,
        max_user_events=None,
    )
    read = root | "ReadForTracks" >> ReadTables(run.events.row_groups, EVENT_ROWS, run.events.column_mapping)
    if run.state is not None and run.state.earlier is not None:
        stored = table_of(run.state.path, run.state.earlier)
        earlier = root | "ReadStateForTracks" >> ReadTables(stored.row_groups, EVENT_ROWS, stored.column_mapping)
        read = (read, earlier) | "EventsForTracks" >> beam.Flatten()
    events = _without_erased(read, "ForTracks", EVENT_ROWS, erased)
    return events | "CleanForTracks" >> clean | MapBuckets(tracks_of_events, out=READ_TRACKS)


def _read_users(reader: _Reader, run: RunPlan) -> tuple[beam.PCollection | None, beam.PCollection | None]:
    """Return USER_ROWS of the table without erased users, and the ERASED ids of all tables; None: there are none."""
    erased, users = [], None
    if run.erase is not None:
        erased.append(reader.read("erase", run.erase, ERASED))
    if run.users is not None:
        users = reader.read("users", run.users, USER_ROWS)
        erased.append(users | MapBuckets(select_erased, out=ERASED))
    if not erased:
        return None, None
    distinct = erased | "AllErased" >> beam.Flatten() | CombineBuckets(union_erased, union_erased, out=ERASED)
    return None if users is None else _without_erased(users, "Users", USER_ROWS, distinct), distinct
