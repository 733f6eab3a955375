"""Featurization as Beam is usually written: one event an element, tuples and dictionaries, Map and GroupByKey.

Generous to itself: no neighbours, no artifacts, no tables written, only the totals that show that the work was done.
"""

import functools
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl

from pipelines.options.beam_flags import parse_beam
from pipelines.options.options import RunOptions
from transforms.tables.schemas import ACTIONS, EVENT_ROWS

SKIP_MS, DAY_MS, DAY_S, MS = 30_000, 86_400_000, 86_400.0, timedelta(milliseconds=1)
LIKES = ("like", "save", "playlist_add")
Event = tuple[datetime, str, str, int | None, datetime]  # played_at, track, action, ms_played, known_at


def featurize(events: list[str], tracks: str, output: str, as_of: str, half_life: float) -> None:
    """Write totals below `output`: rejects by reason, user facts, track statistics."""
    at = datetime.fromisoformat(as_of)
    Path(output).mkdir(parents=True)
    with beam.Pipeline(options=parse_beam([])) as root:
        read = root | beam.Create(events) | beam.io.ReadAllFromParquet(columns=EVENT_ROWS.names)
        checked = read | beam.Map(check, tracks, at)
        rejected = checked | "Rejected" >> beam.Filter(lambda pair: pair[0] is not None) | beam.Keys()
        kept = checked | "Kept" >> beam.Filter(lambda pair: pair[0] is None) | "Events" >> beam.Values()
        histories = kept | "ByUser" >> beam.GroupByKey() | beam.MapTuple(in_order)
        users = histories | beam.MapTuple(lambda user, plays: user_facts(plays, tracks, at))
        counts = histories | beam.FlatMapTuple(lambda user, plays: track_counts(plays, at, half_life))
        statistics = counts | "ByTrack" >> beam.CombinePerKey(sum_tuples)
        listeners = histories | beam.FlatMapTuple(lambda user, plays: {play[1] for play in plays if play[2] == "play"})
        results = {
            "rejected": rejected | "Reasons" >> beam.combiners.Count.PerElement() | beam.combiners.ToDict(),
            "users": users | "SumUsers" >> beam.CombineGlobally(sum_dictionaries),
            "tracks": statistics | "Counts" >> beam.Values() | "SumTracks" >> beam.CombineGlobally(sum_tuples),
            "listeners": listeners
            | beam.combiners.Count.PerElement()
            | "N" >> beam.Values()
            | "SumN" >> beam.CombineGlobally(sum),
        }
        for name, result in results.items():
            result | f"Write {name}" >> beam.Map(write, f"{output}/{name}.json")


def write(result: Any, path: str) -> None:
    """Write one result."""
    Path(path).write_text(json.dumps(result))


@functools.lru_cache(maxsize=1)
def known_tracks(folder: str) -> dict[str, tuple[str | None, str | None, int | None]]:
    """Read artist, first genre and duration of every track, once a process."""
    read = pl.read_parquet(f"{folder}/*.parquet", columns=["track_id", "artist_id", "genres", "duration_ms"])
    rows = read.select("track_id", "artist_id", pl.col("genres").list.first(), "duration_ms").iter_rows()
    return {track: (artist, genre, duration) for track, artist, genre, duration in rows}


def check(row: dict[str, Any], tracks: str, at: datetime) -> tuple[str | None, tuple[str, Event]]:
    """Return an event as (user, the rest), and the reason why it does not count."""
    played_at, arrived_at = row["played_at"], row["arrived_at"]
    known_at = max(played_at, arrived_at) if played_at and arrived_at else played_at
    event = (played_at, row["track_id"], row["action"] or "play", row["ms_played"], known_at)
    reason = reason_against(row["user_id"], event, tracks, at)
    ms_played = None if event[3] is None else min(event[3], DAY_MS)
    return reason, (row["user_id"], (*event[:3], ms_played, known_at))


def reason_against(user: str, event: Event, tracks: str, at: datetime) -> str | None:  # noqa: C901 - a plain list
    """Return the first reason why an event does not count."""
    played_at, track, action, ms_played, known_at = event
    if not user:
        return "missing_user"
    if not track:
        return "missing_track"
    if not played_at:
        return "missing_time"
    if known_at >= at:
        return "in_the_future" if played_at >= at else "arrived_in_the_future"
    if played_at < RunOptions.min_played_at:
        return "before_min_played_at"
    if ms_played is not None and ms_played < 0:
        return "negative_duration"
    if action not in ACTIONS:
        return "unknown_action"
    return None if track in known_tracks(tracks) else "unknown_track"


def in_order(user: str, plays: Iterable[Event]) -> tuple[str, list[Event]]:
    """Return a user's events by time, each once."""
    ordered = sorted(plays, key=lambda play: (*play[:3], -1 if play[3] is None else play[3], play[4]))
    return user, [play for index, play in enumerate(ordered) if index == 0 or play[:4] != ordered[index - 1][:4]]


def is_listened(play: Event) -> bool:
    """Return whether an event is a play of 30 s or more."""
    return play[2] == "play" and (play[3] is None or play[3] >= SKIP_MS)


def user_facts(plays: list[Event], tracks: str, at: datetime) -> dict[str, float]:
    """Reduce the facts of one user to one row."""
    known = known_tracks(tracks)
    by_track: dict[str, list[Event]] = defaultdict(list)
    for play in plays:
        by_track[play[1]].append(play)
    facts = {track: track_facts(of_track, known[track][2], at) for track, of_track in by_track.items()}
    played = {track: fact for track, fact in facts.items() if fact["n_listened"]}
    artists, genres = Counter[str](), Counter[str]()
    for track, fact in played.items():
        artist, genre, _ = known[track]
        if artist:
            artists[artist] += int(fact["n_listened"])
        if genre:
            genres[genre] += int(fact["n_listened"])
    counted = [play for play in plays if play[2] == "play"]
    listened = [play[1] for play in counted if is_listened(play)]
    sums = {name: sum(fact[name] for fact in facts.values()) for name in next(iter(facts.values()))}
    return {
        **sums,
        "user_plays": len(counted),
        "user_skip_rate": 1 - len(listened) / len(counted) if counted else 0.0,
        "user_distinct_track_ratio": len({play[1] for play in counted}) / len(counted) if counted else 0.0,
        "days_since_active": min((days(play, at) for play in counted), default=0.0),
        "n_recent": len(listened[: -10 - 1 : -1]),
        "n_tracks": len(facts),
        "n_artists": len(artists),
        "plays_of_artist": max(artists.values(), default=0),
        "n_genres": len(genres),
        "share_of_genre": max(genres.values(), default=0) / max(1, sum(genres.values())),
        "n_disliked": len({play[1] for play in plays if play[2] == "dislike"}),
    }


def track_facts(plays: list[Event], duration_ms: int | None, at: datetime) -> dict[str, float]:
    """Return the facts of one user with one track."""
    counted = [play for play in plays if play[2] == "play"]
    listened = [play for play in counted if is_listened(play)]
    shares = [min(1.0, play[3] / duration_ms) for play in counted if play[3] is not None and duration_ms]
    activation = sum(max(1.0, 24 * days(play, at)) ** -0.5 for play in listened)
    return {
        "n_listened": len(listened),
        "n_skipped": len(counted) - len(listened),
        "n_liked": int(any(play[2] in LIKES for play in plays)),
        "completion": sum(shares) / len(shares) if shares else 0.0,
        "days_since_played": min((days(play, at) for play in counted), default=0.0),
        "activation": math.log(activation) if activation else 0.0,
    }


def days(play: Event, at: datetime) -> float:
    """Return an age in days."""
    return (at - play[0]).total_seconds() / DAY_S


def track_counts(plays: list[Event], at: datetime, half_life: float) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Return the counts that each play adds to its track: plays, timed plays, skips, ms, popularity."""
    for play in plays:
        if play[2] == "play":
            is_timed, ms = play[3] is not None, play[3] or 0
            popularity = 2.0 ** (-days(play, at) / half_life) if is_listened(play) else 0.0
            yield play[1], (1, int(is_timed), int(is_timed and ms < SKIP_MS), ms, popularity)


def sum_tuples(tuples: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    """Add tuples element by element."""
    return tuple(map(sum, zip(*tuples, strict=True)))


def sum_dictionaries(dictionaries: Iterable[dict[str, float]]) -> dict[str, float]:
    """Add dictionaries name by name."""
    total: Counter[str] = Counter()
    for one in dictionaries:
        for name, value in one.items():
            total[name] += value  # type: ignore[assignment]
    return dict(total)
