"""Facts that pages are checked against: what users really played, counted from the events anew."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from pipelines.inputs.input_rows import read_input
from pipelines.inputs.published import PublishedRun
from pipelines.inputs.state import read_events
from pipelines.options.flag_kinds import parse_time
from pipelines.options.options import RunOptions, UsageError
from transforms.events.ages import days_since
from transforms.tables.schemas import ACTIONS, USERS

_LISTENED_MS = 30_000
_LATELY = timedelta(hours=4)
_PAUSE = timedelta(minutes=30)
_EVENT = ["user_id", "track_id", "played_at", "action"]
_ACTION = pl.col("action").fill_null("play")


@dataclass(frozen=True)
class Truth:
    """Facts as of the moment of the run.

    tracks: the catalog by track_id, with its number of plays. plays: by user_id and track_id: listened (30 s or more),
    played (any), first_days, last_days. artists: by user_id and artist_id: listened_artist. users: user_id, all_plays,
    market (null: unknown), for everyone with a page or a queue. known: user_id of everyone with an event that counts,
    or in the user table, but for erased users. recent: user_id, track_id, skipped (number), of the last 4 hours.
    sessions: user_id, context_id (when it began), track_id, artist_id, skipped, place (from the last listen, 0 is it;
    null: skipped), of all plays, where the run has queues.
    """

    as_of: datetime
    tracks: pl.DataFrame
    plays: pl.DataFrame
    artists: pl.DataFrame
    users: pl.DataFrame
    known: pl.DataFrame
    recent: pl.DataFrame = field(default_factory=pl.DataFrame)
    sessions: pl.DataFrame = field(default_factory=pl.DataFrame)


def find_truth(run: PublishedRun, events: str, users_table: str) -> Truth:
    """Count the events and look up the users of the run; `events` and `users_table` are other paths to read, if given.

    Raises:
        UsageError: they cannot be read.
    """
    options, as_of = run.manifest.options, run.as_of
    if not (events or options.get("events")):
        raise UsageError(f"{run.folder}: its manifest.json does not say where its events are: --events names them")
    rows = read_events(options, run.folder, events).with_columns(_ACTION)
    users_path = users_table or options.get("users_table", "")
    users = read_input("users_table", users_path, options.get("users_table_columns", ""), USERS)
    plausible = rows.filter(pl.col("played_at") >= min_played_at(options))
    counted = _known_events(plausible, _beyond_limit(run), run.catalog.tracks, as_of)
    each = _without_overlaps(counted.filter(pl.col("action") == "play"))
    plays = _count_plays(each, as_of)
    artists = plays.drop_nulls("artist_id").group_by("user_id", "artist_id")
    return Truth(
        as_of,
        run.catalog.tracks,
        plays.drop("artist_id"),
        artists.agg(listened_artist=pl.col("listened").sum()),
        _page_users(run, plays, users),
        _known_users(counted, users, options.get("erased_users", "")),
        _recent_plays(each, as_of),
        _sessions(each) if "queues" in run.manifest.tables else pl.DataFrame(),
    )


def _beyond_limit(run: PublishedRun) -> pl.DataFrame:
    """Return the events that the run did not count because their user has too many; it published them as rejected."""
    rejected = run.table("rejected").filter(pl.col("reason") == "over_max_user_events").collect()
    return rejected.with_columns(_ACTION).select(_EVENT)


def _known_users(events: pl.DataFrame, users: pl.DataFrame, erase: str) -> pl.DataFrame:
    """Return the ids of all users who must have a page; see Truth.known."""
    everyone = pl.concat([events.select("user_id"), users.select("user_id")]).unique()
    erased = [users.filter(pl.col("erased").fill_null(False)).select("user_id")]
    if erase:
        erased.append(read_input("erased_users", erase, "", USERS).select("user_id"))
    is_named = pl.col("user_id") != ""
    return everyone.filter(is_named).join(pl.concat(erased), on="user_id", how="anti")


def min_played_at(options: Mapping[str, str]) -> datetime:
    """Return the earliest plausible time of an event of a run, given its options; older versions had no such flag."""
    return parse_time(options["min_played_at"]) if "min_played_at" in options else RunOptions.min_played_at


def _known_events(events: pl.DataFrame, beyond: pl.DataFrame, tracks: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return the valid events of tracks of the catalog that the service knew of at `as_of`, each once.

    beyond: see _beyond_limit().
    """
    has_arrived = pl.col("arrived_at").fill_null(pl.col("played_at")) < as_of
    is_valid = (pl.col("ms_played").fill_null(0) >= 0) & (pl.col("user_id") != "")
    valid = events.filter(has_arrived & (pl.col("played_at") < as_of) & is_valid)
    counted = one_id_each(valid, tracks).join(
        tracks.select("track_id", "artist_id"), on="track_id", maintain_order="left"
    )
    within = counted.join(one_id_each(beyond, tracks), on=_EVENT, how="anti", nulls_equal=True, maintain_order="left")
    return within.filter(pl.col("action").is_in(ACTIONS)).unique([*_EVENT, "ms_played"])


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


def _recent_plays(plays: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return what was played lately, and how often it was skipped; see Truth.recent."""
    late = plays.filter(pl.col("played_at") > as_of - _LATELY)
    return late.group_by("user_id", "track_id").agg(skipped=(pl.col("ms_played") < _LISTENED_MS).sum())


def _sessions(plays: pl.DataFrame) -> pl.DataFrame:
    """Split plays into sessions, where nothing was played for half an hour; see Truth.sessions."""
    ordered = plays.sort("user_id", "played_at", "track_id")
    end = pl.col("played_at") + pl.duration(milliseconds=pl.col("ms_played").fill_null(0))
    begins = (pl.col("played_at") - end.shift(1) > _PAUSE).fill_null(True).over("user_id")
    skipped = (pl.col("ms_played") < _LISTENED_MS).fill_null(False)
    numbered = ordered.with_columns(number=begins.cum_sum().over("user_id"), skipped=skipped)
    places = pl.when(~pl.col("skipped")).then((~pl.col("skipped")).cum_sum(reverse=True).over("user_id", "number") - 1)
    return numbered.select(
        "user_id",
        pl.col("played_at").first().over("user_id", "number").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("context_id"),
        "track_id",
        "artist_id",
        "skipped",
        place=places.cast(pl.Int32),
    )


def _page_users(run: PublishedRun, plays: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Return plays and market of everyone with a page or a queue; see Truth.users."""
    there = [run.table(name).select("user_id") for name in ("pages", "queues") if name in run.manifest.tables]
    everyone = pl.concat(there).unique().collect()
    all_plays = plays.group_by("user_id").agg(all_plays=pl.col("played").sum())
    markets = users.select("user_id", pl.col("market").str.to_uppercase()).unique("user_id", keep="any")
    counted = everyone.join(all_plays, on="user_id", how="left").with_columns(pl.col("all_plays").fill_null(0))
    return counted.join(markets, on="user_id", how="left")


def days_into_week(as_of: datetime) -> timedelta:
    """Return the time since Monday 0:00 of the ISO week of the run; a run at midnight belongs to the day that ends."""
    day = (as_of - timedelta(microseconds=1)).date()
    return as_of - datetime(day.year, day.month, day.day, tzinfo=as_of.tzinfo) + timedelta(days=day.weekday())
