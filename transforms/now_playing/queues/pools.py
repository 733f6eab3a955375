"""The pool of each queue: tracks that may come next, with the chance that each of several ways gives them."""

import numpy as np
import polars as pl

from transforms.catalog.catalog import Catalog
from transforms.now_playing.queues.contexts import Contexts
from transforms.now_playing.queues.listeners import QueueListeners
from transforms.now_playing.queues.playable import Playable
from transforms.now_playing.queues.queue_tables import ARTIST, CONTEXTS, QueuePolicy
from transforms.now_playing.queues.works import movements
from transforms.now_playing.successor_lists import SuccessorLists
from transforms.tables.groups import first_of_groups, top_k_of_groups

# Shares of the ways in the chance of a track: what follows the context, own tracks, what follows those, the artist of
# the context, which counts for queues of an artist.
WAYS = {"follows": 0.45, "own": 0.2, "follows_own": 0.25, "by_artist": 0.1}
_UNIT = 2**40
# Tracks of the context, successors of each, own tracks, own tracks whose successors count, tracks of an artist.
_BASE_TRACKS, _BASE_SUCCESSORS, _OWN_TRACKS, _LED_TRACKS, _LED_SUCCESSORS, _ARTIST_TRACKS = 12, 60, 80, 10, 30, 30


def make_pools(
    contexts: Contexts,
    listeners: QueueListeners,
    catalog: Catalog,
    successors: SuccessorLists,
    playable: Playable,
    policy: QueuePolicy,
) -> pl.DataFrame:
    """Return the pools: queue, user, track, artist, a chance for each of WAYS, chance, is_familiar; by queue and track.

    Tracks of the contexts do not come again, nor does a copy of one.
    """
    queues = contexts.queues
    base = first_of_groups(contexts.tracks.reverse(), "queue", _BASE_TRACKS).with_columns(
        share=1 / pl.len().over("queue")
    )
    own = _shares(listeners.own.filter(pl.col("listens") > 0), "user", "activation", _OWN_TRACKS)
    led = _led_by(own, successors)
    of_user = pl.concat([own.select("user", "track", way=pl.lit("own"), chance="share"), led])
    ways = [
        _successors_of(base, "queue", successors, _BASE_SUCCESSORS, "follows"),
        queues.select("queue", "user").join(of_user, on="user").select("queue", "track", "way", "chance"),
        _by_artist(queues, catalog),
    ]
    chances = (
        pl.concat(ways)
        .group_by("queue", "track")
        .agg(*(pl.col("chance").filter(pl.col("way") == way).sum().alias(way) for way in WAYS))
    )
    rows = chances.join(queues.select("queue", "user"), on="queue").sort("queue", "track")
    return _best(_allowed(rows, contexts, listeners, catalog, playable), playable, policy)


def _shares(rows: pl.DataFrame, group: str, weight: str, k: int) -> pl.DataFrame:
    best = top_k_of_groups(rows, group, weight, k, tie="track")
    return best.with_columns(share=pl.col(weight) / pl.col(weight).sum().over(group))


def _successors_of(rows: pl.DataFrame, group: str, lists: SuccessorLists, k: int, way: str) -> pl.DataFrame:
    """Return the successors of tracks, each weighted by the `share` of the track: group, track, way, chance."""
    code = rows["track"].to_numpy()
    other, chance = np.asarray(lists.other[code, :k]), np.asarray(lists.chance[code, :k], dtype=np.float64)
    chance = chance * rows["share"].to_numpy()[:, None]
    row, place = np.nonzero(other >= 0)
    # whole numbers: their sums are the same in every order
    units = np.rint(chance[row, place] * _UNIT).astype(np.int64)
    found = pl.DataFrame({group: rows[group].to_numpy()[row], "track": other[row, place], "chance": units})
    summed = found.group_by(group, "track").agg(pl.col("chance").sum() / _UNIT)
    return summed.select(group, "track", way=pl.lit(way), chance="chance")


def _led_by(own: pl.DataFrame, lists: SuccessorLists) -> pl.DataFrame:
    return _successors_of(first_of_groups(own, "user", _LED_TRACKS), "user", lists, _LED_SUCCESSORS, "follows_own")


def _by_artist(queues: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return the most popular tracks of the artist of a context."""
    best = first_of_groups(catalog.by_popularity.drop_nulls("artist"), "artist", _ARTIST_TRACKS)
    asked = queues.filter(pl.col("context") == CONTEXTS.index(ARTIST)).select(
        "queue", artist=pl.col("code").cast(pl.Int32)
    )
    found = asked.join(best.select("artist", "track"), on="artist")
    return found.select("queue", "track", way=pl.lit("by_artist"), chance=1 / pl.len().over("queue").cast(pl.Float64))


def _allowed(
    rows: pl.DataFrame, contexts: Contexts, listeners: QueueListeners, catalog: Catalog, playable: Playable
) -> pl.DataFrame:
    """Keep what the user may play, was not played or skipped lately, and does not come again or break up a work."""
    is_out = pl.Series(catalog.is_copy | movements(catalog)).gather(rows["track"])
    heard = contexts.tracks
    base = heard.select("queue", track=pl.Series(catalog.recording).gather(heard["track"]))
    known = listeners.own.filter(pl.col("listens") > 0).select("user", "track", is_familiar=pl.lit(True))
    artist = catalog.coded["artist"].gather(rows["track"])
    return (
        rows.with_columns(artist=artist)
        .filter(~is_out & playable.allows(rows))
        .join(base, on=["queue", "track"], how="anti")
        .join(contexts.skipped, on=["queue", "track"], how="anti")
        .join(contexts.tired, on=["queue", "artist"], how="anti")
        .join(listeners.recent, on=["user", "track"], how="anti")
        .join(listeners.tired, on=["user", "artist"], how="anti")
        .join(known, on=["user", "track"], how="left")
        .with_columns(pl.col("is_familiar").fill_null(False))
        .sort("queue", "track")
    )


def _best(rows: pl.DataFrame, playable: Playable, policy: QueuePolicy) -> pl.DataFrame:
    """Keep the likeliest tracks of each artist, then of those that the user knows and of the others."""
    chance = pl.sum_horizontal(pl.col(way) * share for way, share in WAYS.items())
    cap = pl.Series(playable.cap[playable.kind[rows["user"].to_numpy()]])
    ordered = rows.with_columns(chance=chance, cap=cap).sort(
        "queue", "chance", "track", descending=[False, True, False]
    )
    of_artist = pl.int_range(pl.len()).over("queue", pl.coalesce(pl.col("artist"), -1 - pl.col("track")))
    few = ordered.filter(of_artist < pl.col("cap")).drop("cap")
    return few.filter(pl.int_range(pl.len()).over("queue", "is_familiar") < policy.pool_size // 2).sort(
        "queue", "track"
    )
