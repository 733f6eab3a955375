"""What homeshelf check holds pages to: what users really played, counted from the events anew."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipelines.inputs.inputs import inspect_input
from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from transforms.events.ages import days_since
from transforms.tables.read_tables import read_row_group
from transforms.tables.schemas import ACTIONS, EVENTS, USERS

_LISTENED_MS = 30_000


@dataclass(frozen=True)
class Truth:
    """What is true at the moment of the run.

    tracks: the catalog by track_id, with its number of plays. plays: by user_id and track_id: listened (30 s or more),
    played (any), first_days, last_days. artists: by user_id and artist_id: listened_artist. users: user_id, all_plays,
    market (null: not known), for everyone with a page.
    """

    as_of: datetime
    tracks: pl.DataFrame
    plays: pl.DataFrame
    artists: pl.DataFrame
    users: pl.DataFrame


def find_truth(run: PublishedRun, events: str, users_table: str) -> Truth:
    """Count the events and look up the users that the run was made of, or those at other paths.

    Raises:
        UsageError: they cannot be read.
    """
    options, as_of = run.manifest.options, datetime.fromisoformat(run.manifest.as_of)
    tracks = run.catalog.tracks
    rows = read_input("events", events or options["events"], options["events_columns"], EVENTS)
    known = pl.col("arrived_at").fill_null(pl.col("played_at")) < as_of
    counted = rows.filter(
        known & (pl.col("played_at") < as_of) & (pl.col("ms_played").fill_null(0) >= 0) & (pl.col("user_id") != "")
    ).join(tracks.select("track_id", "artist_id"), on="track_id", maintain_order="left")
    is_known = pl.col("action").is_null() | pl.col("action").is_in(ACTIONS)
    plays = counted.filter(is_known).unique(["user_id", "track_id", "played_at", "ms_played", "action"])
    plays = plays.filter(pl.col("action").is_null() | (pl.col("action") == "play"))
    days = days_since("played_at", as_of)
    listened = (pl.col("ms_played").is_null() | (pl.col("ms_played") >= _LISTENED_MS)).sum()
    by_track = plays.group_by("user_id", "track_id").agg(
        pl.col("artist_id").first(), listened=listened, played=pl.len(), first_days=days.max(), last_days=days.min()
    )
    artists = by_track.drop_nulls("artist_id").group_by("user_id", "artist_id")
    markets = read_input("users_table", users_table or options["users_table"], options["users_table_columns"], USERS)
    everyone = run.table("pages").select("user_id").unique().collect()
    all_plays = by_track.group_by("user_id").agg(all_plays=pl.col("played").sum())
    users = everyone.join(all_plays, on="user_id", how="left").with_columns(pl.col("all_plays").fill_null(0))
    market = pl.col("market").str.to_uppercase()
    where = markets.select("user_id", market).unique("user_id", keep="any")
    return Truth(
        as_of,
        tracks,
        by_track.drop("artist_id"),
        artists.agg(listened_artist=pl.col("listened").sum()),
        users.join(where, on="user_id", how="left"),
    )


def read_input(flag: str, path: str, mapping: str, schema: Any) -> pl.DataFrame:
    """A whole table; an empty one where the run had none."""
    if not path:
        return schema.frame()
    found = inspect_input(flag, path, mapping, schema=schema)
    return pl.concat([schema.frame(), *_pieces(found, schema)])


def _pieces(found: Any, schema: Any) -> Iterator[pl.DataFrame]:
    for row_group in found.row_groups:
        try:
            for table in read_row_group(
                row_group.path, row_group.group, schema=schema, column_mapping=found.column_mapping
            ):
                yield pl.DataFrame(pl.from_arrow(table))
        except OSError as error:
            raise UsageError(str(error)) from error


def days_into_week(as_of: datetime) -> timedelta:
    """Since Monday 0 o'clock of the ISO week of the run's day; a run at midnight belongs to the day that ends."""
    day = (as_of - timedelta(microseconds=1)).date()
    return as_of - datetime(day.year, day.month, day.day, tzinfo=as_of.tzinfo) + timedelta(days=day.weekday())
