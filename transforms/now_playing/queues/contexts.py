"""Contexts of queues: likely starts of sessions, own albums, own artists; and the tracks that each is made of."""

import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.now_playing.queues.listeners import QueueListeners
from transforms.now_playing.queues.playable import Playable
from transforms.now_playing.queues.queue_tables import ALBUM, ARTIST, CONTEXTS, TRACK, QueuePolicy
from transforms.tables.groups import top_k_of_groups

_MIN_ALBUM_TRACKS = 3
_TRACKS_OF_ARTIST = 5


def find_contexts(
    listeners: QueueListeners, catalog: Catalog, playable: Playable, policy: QueuePolicy
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the queues to make, and their tracks.

    queues: queue, user, context (index in CONTEXTS), code, of users in order. tracks: queue, track, in order of play.
    """
    own = listeners.own.filter(pl.col("listens") > 0).join(
        catalog.coded.select("track", "artist", "album"), on="track", how="left", maintain_order="left"
    )
    allowed = own.filter(playable.allows(own))
    fresh = listeners.starts.join(listeners.recent, on=["user", "track"], how="anti", maintain_order="left")
    starts = fresh.filter(playable.allows(fresh))
    wanted = {
        TRACK: (starts, "track", policy.num_tracks),
        ALBUM: (_albums(allowed, catalog), "album", policy.num_albums),
    }
    wanted[ARTIST] = (_summed(allowed, "artist"), "artist", policy.num_artists)
    parts = [
        top_k_of_groups(rows, "user", "weight", k, tie=code).select(
            "user", context=pl.lit(CONTEXTS.index(name), pl.Int8), code=pl.col(code).cast(pl.Int32)
        )
        for name, (rows, code, k) in wanted.items()
    ]
    queues = (
        pl.concat(parts).sort("user", "context", maintain_order=True).with_row_index("queue").cast({"queue": pl.Int64})
    )
    return queues, _tracks_of(queues, allowed, catalog, playable)


def _summed(own: pl.DataFrame, group: str) -> pl.DataFrame:
    return own.drop_nulls(group).group_by("user", group, maintain_order=True).agg(weight=pl.col("activation").sum())


def _albums(own: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return the albums of users that have three numbered tracks or more."""
    numbered = catalog.tracks.drop_nulls(("album", "track_number")).group_by("album").len()
    large = numbered.filter(pl.col("len") >= _MIN_ALBUM_TRACKS)
    return _summed(own, "album").join(large, on="album", how="semi", maintain_order="left")


def _tracks_of(queues: pl.DataFrame, own: pl.DataFrame, catalog: Catalog, playable: Playable) -> pl.DataFrame:
    """Return the track of a start, the tracks of an album in its order, the own tracks of an artist."""
    of_kind = {name: queues.filter(pl.col("context") == number) for number, name in enumerate(CONTEXTS)}
    starts = of_kind[TRACK].select("queue", "user", track="code")
    ordered = catalog.coded.drop_nulls(("album", "track_number")).sort(
        "album", pl.col("disc_number").fill_null(1), "track_number", "track"
    )
    albums = of_kind[ALBUM].join(ordered.select("track", code="album"), on="code", maintain_order="left_right")
    best = top_k_of_groups(
        own.drop_nulls("artist").with_columns(key=pl.col("user").cast(pl.Int64) * 2**32 + pl.col("artist")),
        "key",
        "activation",
        _TRACKS_OF_ARTIST,
        tie="track",
    )
    artists = of_kind[ARTIST].join(
        best.select("user", "track", code="artist"), on=["user", "code"], maintain_order="left_right"
    )
    names = ("queue", "user", "track")
    rows = pl.concat([starts, albums.select(names), artists.select(names)])
    allowed = rows.filter(playable.allows(rows)).sort("queue", maintain_order=True)
    recording = pl.Series("recording", catalog.recording).gather(allowed["track"])
    once = allowed.with_columns(recording).unique(["queue", "recording"], keep="first", maintain_order=True)
    return once.select("queue", "track")
