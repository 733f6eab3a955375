"""Contexts of queues: likely starts and late sessions, own albums, own artists; and the tracks that each is made of."""

from typing import NamedTuple

import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.now_playing.queues.listeners import QueueListeners
from transforms.now_playing.queues.playable import Playable
from transforms.now_playing.queues.queue_tables import ALBUM, ARTIST, CONTEXTS, SESSION, TRACK, QueuePolicy
from transforms.tables.groups import top_k_of_groups

_MIN_ALBUM_TRACKS, _MIN_SESSION_LISTENS = 3, 3
_TRACKS_OF_ARTIST = 5


class Contexts(NamedTuple):
    """Contexts of queues, and what they are made of.

    queues: queue, user, context (index in CONTEXTS), code, started (seconds since 1970), of users in order. tracks:
    queue, track, in order of play. skipped: queue, track, of sessions. tired: queue, artist, who was skipped twice.
    """

    queues: pl.DataFrame
    tracks: pl.DataFrame
    skipped: pl.DataFrame
    tired: pl.DataFrame


def find_contexts(listeners: QueueListeners, catalog: Catalog, playable: Playable, policy: QueuePolicy) -> Contexts:
    """Return the queues to make, and what they go on from."""
    own = listeners.own.filter(pl.col("listens") > 0).join(
        catalog.coded.select("track", "artist", "album"), on="track", how="left", maintain_order="left"
    )
    allowed = own.filter(playable.allows(own))
    fresh = listeners.starts.join(listeners.recent, on=["user", "track"], how="anti", maintain_order="left")
    wanted = {
        TRACK: fresh.filter(playable.allows(fresh)).rename({"track": "code"}),
        ALBUM: _albums(allowed, catalog),
        ARTIST: _summed(allowed, "artist"),
        SESSION: _sessions(listeners.sessions),
    }
    parts = [
        top_k_of_groups(rows, "user", "weight", policy.num_contexts[name], tie="code").select(
            "user", pl.lit(CONTEXTS.index(name), pl.Int8).alias("context"), pl.col("code").cast(pl.Int64), "started"
        )
        for name, rows in wanted.items()
    ]
    queues = pl.concat(parts).sort("user", "context", maintain_order=True).with_row_index("queue")
    queues = queues.cast({"queue": pl.Int64})
    played = _of_kind(queues, SESSION).join(
        listeners.sessions, on=["user", "code"], how="inner", maintain_order="left_right"
    )
    skipped = played.filter(pl.col("skip") > 0)
    twice = skipped.filter(pl.col("artist") >= 0).group_by("queue", "artist").len().filter(pl.col("len") >= 2)
    tracks = _tracks_of(queues, allowed, played.filter(pl.col("skip") == 0), catalog, playable)
    return Contexts(queues, tracks, skipped.select("queue", "track").unique(), twice.select("queue", "artist"))


def _of_kind(queues: pl.DataFrame, name: str) -> pl.DataFrame:
    return queues.filter(pl.col("context") == CONTEXTS.index(name)).select("queue", "user", "code")


def _summed(own: pl.DataFrame, group: str) -> pl.DataFrame:
    """Return the albums or artists of users, by what was listened to of them."""
    named = own.drop_nulls(group).rename({group: "code"})
    return named.group_by("user", "code", maintain_order=True).agg(
        weight=pl.col("activation").sum(), started=pl.col("listened_at").max()
    )


def _albums(own: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return the albums of users that have three numbered tracks or more."""
    numbered = catalog.tracks.drop_nulls(("album", "track_number")).group_by(code="album").len()
    large = numbered.filter(pl.col("len") >= _MIN_ALBUM_TRACKS)
    return _summed(own, "album").join(large, on="code", how="semi", maintain_order="left")


def _sessions(plays: pl.DataFrame) -> pl.DataFrame:
    """Return the sessions with three listens or more; the latest ones weigh most."""
    listens = plays.filter(pl.col("skip") == 0).group_by("user", "code", maintain_order=True)
    long = listens.agg(pl.len(), started=pl.col("started").first()).filter(pl.col("len") >= _MIN_SESSION_LISTENS)
    return long.select("user", "code", "started", weight="code")


def _tracks_of(
    queues: pl.DataFrame, own: pl.DataFrame, heard: pl.DataFrame, catalog: Catalog, playable: Playable
) -> pl.DataFrame:
    """Return the track of a start, the tracks of an album in its order, the own tracks of an artist, a session's.

    heard: listens of the sessions, in order, as they were: of a track that came twice the later one counts.
    """
    starts = _of_kind(queues, TRACK).select("queue", "user", track=pl.col("code").cast(pl.Int32))
    ordered = catalog.coded.drop_nulls(("album", "track_number")).sort(
        "album", pl.col("disc_number").fill_null(1), "track_number", "track"
    )
    of_album = ordered.select("track", code=pl.col("album").cast(pl.Int64))
    albums = _of_kind(queues, ALBUM).join(of_album, on="code", maintain_order="left_right")
    best = top_k_of_groups(
        own.drop_nulls("artist").with_columns(key=pl.col("user").cast(pl.Int64) * 2**32 + pl.col("artist")),
        "key",
        "activation",
        _TRACKS_OF_ARTIST,
        tie="track",
    )
    of_artist = best.select("user", "track", code=pl.col("artist").cast(pl.Int64))
    artists = _of_kind(queues, ARTIST).join(of_artist, on=["user", "code"], maintain_order="left_right")
    names = ("queue", "user", "track")
    rows = pl.concat([starts, albums.select(names), artists.select(names)])
    allowed = rows.filter(playable.allows(rows))
    recording = pl.Series("recording", catalog.recording).gather(allowed["track"])
    once = allowed.with_columns(recording).unique(["queue", "recording"], keep="first", maintain_order=True)
    last = heard.unique(["queue", "track"], keep="last", maintain_order=True)
    both = pl.concat([once.select("queue", "track"), last.select("queue", "track")])
    return both.sort("queue", maintain_order=True)
