"""Facts that pages are checked against: what users really played, counted from the events anew."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from pipelines.inputs.inputs import InputTable, inspect_input
from pipelines.inputs.published import PublishedRun
from pipelines.options.flag_kinds import parse_time
from pipelines.options.options import RunOptions, UsageError
from transforms.events.ages import days_since
from transforms.tables.columns import Schema
from transforms.tables.failures import UnreadableFileError
from transforms.tables.read_tables import read_row_group
from transforms.tables.schemas import ACTIONS, EVENTS, USERS

_LISTENED_MS = 30_000


@dataclass(frozen=True)
class Truth:
    """Facts as of the moment of the run.

    tracks: the catalog by track_id, with its number of plays. plays: by user_id and track_id: listened (30 s or more),
    played (any), first_days, last_days. artists: by user_id and artist_id: listened_artist. users: user_id, all_plays,
    market (null: unknown), for everyone with a page.
    """

    as_of: datetime
    tracks: pl.DataFrame
    plays: pl.DataFrame
    artists: pl.DataFrame
    users: pl.DataFrame


def find_truth(run: PublishedRun, events: str, users_table: str) -> Truth:
    """Count the events and look up the users of the run; `events` and `users_table` are other paths to read, if given.

    Raises:
        UsageError: they cannot be read.
    """
    options, as_of = run.manifest.options, datetime.fromisoformat(run.manifest.as_of)
    rows = read_input("events", events or options["events"], options["events_columns"], EVENTS)
    users = read_input("users_table", users_table or options["users_table"], options["users_table_columns"], USERS)
    plausible = rows.filter(pl.col("played_at") >= min_played_at(options))
    plays = _count_plays(_known_plays(plausible, run.catalog.tracks, as_of), as_of)
    artists = plays.drop_nulls("artist_id").group_by("user_id", "artist_id")
    return Truth(
        as_of,
        run.catalog.tracks,
        plays.drop("artist_id"),
        artists.agg(listened_artist=pl.col("listened").sum()),
        _page_users(run, plays, users),
    )


def min_played_at(options: Mapping[str, str]) -> datetime:
    """Return the earliest plausible time of an event of a run, given its options; older versions had no such flag."""
    return parse_time(options["min_played_at"]) if "min_played_at" in options else RunOptions.min_played_at


def _known_plays(events: pl.DataFrame, tracks: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return the valid plays of tracks of the catalog that the service knew of at `as_of`, each once."""
    has_arrived = pl.col("arrived_at").fill_null(pl.col("played_at")) < as_of
    is_valid = (pl.col("ms_played").fill_null(0) >= 0) & (pl.col("user_id") != "")
    valid = events.filter(has_arrived & (pl.col("played_at") < as_of) & is_valid)
    counted = one_id_each(valid, tracks).join(
        tracks.select("track_id", "artist_id"), on="track_id", maintain_order="left"
    )
    action = pl.col("action")
    once = counted.filter(action.is_null() | action.is_in(ACTIONS)).unique(
        ["user_id", "track_id", "played_at", "ms_played", "action"]
    )
    return _without_overlaps(once.filter(action.is_null() | (action == "play")))


def one_id_each(rows: pl.DataFrame, tracks: pl.DataFrame) -> pl.DataFrame:
    """Replace the ids of copies in the column track_id by that of the track that stands for their recording."""
    standing = tracks["track_id"].gather(tracks["recording"])
    copies = tracks.select("track_id", standing=standing).filter(pl.col("track_id") != pl.col("standing"))
    if copies.is_empty():
        return rows
    named = rows.join(copies, on="track_id", how="left", maintain_order="left")
    return named.with_columns(track_id=pl.coalesce("standing", "track_id")).drop("standing")


def _without_overlaps(plays: pl.DataFrame) -> pl.DataFrame:
    """Drop plays that begin at most a minute after the user began the same one, which was still going on."""
    ordered = plays.sort("user_id", "track_id", "played_at", "ms_played", nulls_last=True)
    is_same = (pl.col("user_id") == pl.col("user_id").shift(1)) & (pl.col("track_id") == pl.col("track_id").shift(1))
    seconds = pl.col("played_at").diff().dt.total_microseconds() / 1e6
    goes_on = seconds < pl.col("ms_played").shift(1) / 1e3
    return ordered.filter(~(is_same & (seconds > 0) & (seconds <= 60) & goes_on).fill_null(False))


def _count_plays(plays: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Count plays by user and track; see Truth.plays."""
    days = days_since("played_at", as_of)
    is_listened = pl.col("ms_played").is_null() | (pl.col("ms_played") >= _LISTENED_MS)
    return plays.group_by("user_id", "track_id").agg(
        pl.col("artist_id").first(),
        listened=is_listened.sum(),
        played=pl.len(),
        first_days=days.max(),
        last_days=days.min(),
    )


def _page_users(run: PublishedRun, plays: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Return plays and market of everyone with a page; see Truth.users."""
    everyone = run.table("pages").select("user_id").unique().collect()
    all_plays = plays.group_by("user_id").agg(all_plays=pl.col("played").sum())
    markets = users.select("user_id", pl.col("market").str.to_uppercase()).unique("user_id", keep="any")
    counted = everyone.join(all_plays, on="user_id", how="left").with_columns(pl.col("all_plays").fill_null(0))
    return counted.join(markets, on="user_id", how="left")


def read_input(flag: str, path: str, mapping: str, schema: Schema) -> pl.DataFrame:
    """Read a whole table; return an empty one where the run had none."""
    if not path:
        return schema.frame()
    found = inspect_input(flag, path, mapping, schema=schema)
    return pl.concat([schema.frame(), *_read_row_groups(found, schema)])


def _read_row_groups(found: InputTable, schema: Schema) -> Iterator[pl.DataFrame]:
    for row_group in found.row_groups:
        try:
            for table in read_row_group(row_group, schema=schema, column_mapping=found.column_mapping):
                yield pl.DataFrame(pl.from_arrow(table))
        except UnreadableFileError as error:
            raise UsageError(error.message) from error


def days_into_week(as_of: datetime) -> timedelta:
    """Return the time since Monday 0:00 of the ISO week of the run; a run at midnight belongs to the day that ends."""
    day = (as_of - timedelta(microseconds=1)).date()
    return as_of - datetime(day.year, day.month, day.day, tzinfo=as_of.tzinfo) + timedelta(days=day.weekday())
