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
from transforms.tables.groups import first_of_groups, rank_in_run, top_k_of_groups

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
    own = _shares(listeners.own.filter(pl.col("listens") > 0), "user", "activation", _OWN_TRACKS)
    # what does not depend on the context is looked at once for each user
    is_out = catalog.is_copy | movements(catalog)
    of_user = _allowed(_of_users(own, successors), is_out, listeners, catalog, playable)
    of_context = _allowed(_of_contexts(contexts, successors, catalog), is_out, listeners, catalog, playable)
    both = ["user", "artist", "is_familiar"]
    rows = (
        contexts.queues.select("queue", "user")
        .join(of_user, on="user")
        .join(of_context, on=["queue", "track"], how="full", coalesce=True)
        .with_columns(*(pl.coalesce(name, f"{name}_right") for name in both), pl.col(*WAYS).fill_null(0.0))
        .select("queue", "user", "track", "artist", "is_familiar", *WAYS)
    )
    return _best(_without_contexts(rows, contexts, catalog).sort("queue", "track"), playable, policy)


def _of_users(own: pl.DataFrame, successors: SuccessorLists) -> pl.DataFrame:
    """Return own tracks and what follows them: user, track, own, follows_own."""
    led = _successors_of(first_of_groups(own, "user", _LED_TRACKS), "user", successors, _LED_SUCCESSORS, "follows_own")
    mine = own.select("user", "track", own="share")
    return mine.join(led, on=["user", "track"], how="full", coalesce=True)


def _of_contexts(contexts: Contexts, successors: SuccessorLists, catalog: Catalog) -> pl.DataFrame:
    """Return what follows contexts, and tracks of their artists: queue, user, track, follows, by_artist."""
    latest = first_of_groups(contexts.tracks.reverse(), "queue", _BASE_TRACKS)
    base = latest.with_columns(share=1 / pl.len().over("queue"))
    follows = _successors_of(base, "queue", successors, _BASE_SUCCESSORS, "follows")
    found = follows.join(_by_artist(contexts.queues, catalog), on=["queue", "track"], how="full", coalesce=True)
    return found.join(contexts.queues.select("queue", "user"), on="queue")


def _shares(rows: pl.DataFrame, group: str, weight: str, k: int) -> pl.DataFrame:
    best = top_k_of_groups(rows, group, weight, k, tie="track")
    return best.with_columns(share=pl.col(weight) / pl.col(weight).sum().over(group))


def _successors_of(rows: pl.DataFrame, group: str, lists: SuccessorLists, k: int, way: str) -> pl.DataFrame:
    """Return the successors of tracks, each weighted by the `share` of the track: group, track, `way`."""
    code = rows["track"].to_numpy()
    other, chance = np.asarray(lists.other[code, :k]), np.asarray(lists.chance[code, :k], dtype=np.float64)
    chance = chance * rows["share"].to_numpy()[:, None]
    row, place = np.nonzero(other >= 0)
    # whole numbers: their sums are the same in every order
    units = np.rint(chance[row, place] * _UNIT).astype(np.int64)
    found = pl.DataFrame({group: rows[group].to_numpy()[row], "track": other[row, place], "chance": units})
    return found.group_by(group, "track").agg((pl.col("chance").sum() / _UNIT).alias(way))


def _by_artist(queues: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return the most popular tracks of the artist of a context."""
    best = first_of_groups(catalog.by_popularity.drop_nulls("artist"), "artist", _ARTIST_TRACKS)
    asked = queues.filter(pl.col("context") == CONTEXTS.index(ARTIST)).select(
        "queue", artist=pl.col("code").cast(pl.Int32)
    )
    found = asked.join(best.select("artist", "track"), on="artist")
    return found.select("queue", "track", by_artist=1 / pl.len().over("queue").cast(pl.Float64))


def _allowed(
    rows: pl.DataFrame, is_out: np.ndarray, listeners: QueueListeners, catalog: Catalog, playable: Playable
) -> pl.DataFrame:
    """Keep what the user may play, was not played or skipped lately, and does not break up a work; add what is known.

    rows: with user and track; artist and is_familiar are added. is_out: copies and parts of works, bool [N].
    """
    known = listeners.own.filter(pl.col("listens") > 0).select("user", "track", is_familiar=pl.lit(True))
    artist = catalog.coded["artist"].gather(rows["track"])
    return (
        rows.with_columns(artist=artist)
        .filter(pl.Series(~is_out[rows["track"].to_numpy()]) & playable.allows(rows))
        .join(listeners.recent, on=["user", "track"], how="anti")
        .join(listeners.tired, on=["user", "artist"], how="anti")
        .join(known, on=["user", "track"], how="left")
        .with_columns(pl.col("is_familiar").fill_null(False))
    )


def _without_contexts(rows: pl.DataFrame, contexts: Contexts, catalog: Catalog) -> pl.DataFrame:
    """Drop what a context has already or its session skipped, and artists whom it skipped twice."""
    heard = contexts.tracks.select(
        "queue", pl.Series(catalog.recording).gather(contexts.tracks["track"]).alias("track")
    )
    out = pl.concat([heard, contexts.skipped], how="vertical_relaxed")
    left = rows.join(out, on=["queue", "track"], how="anti")
    return left.join(contexts.tired, on=["queue", "artist"], how="anti")


def _best(rows: pl.DataFrame, playable: Playable, policy: QueuePolicy) -> pl.DataFrame:
    """Keep the likeliest tracks of each artist, then of those that the user knows and of the others.

    rows: by queue and track. Of tracks of the same chance the first is the likelier one.
    """
    chance = pl.sum_horizontal(pl.col(way) * share for way, share in WAYS.items())
    pools = rows.with_columns(chance=chance)
    queue, is_familiar = pools["queue"].to_numpy(), pools["is_familiar"].to_numpy()
    cap = playable.cap[playable.kind[pools["user"].to_numpy()]]
    artist = pools["artist"].fill_null(-1).to_numpy().astype(np.int64)
    likeliest = np.argsort(-pools["chance"].to_numpy(), kind="stable")
    of_artist = likeliest[artist[likeliest] >= 0]
    is_kept = np.ones(len(pools), dtype=bool)
    is_kept[of_artist] = _rank(queue[of_artist] << 32 | artist[of_artist]) < cap[of_artist]
    left = likeliest[is_kept[likeliest]]
    is_kept[left] = _rank(2 * queue[left] + is_familiar[left]) < policy.pool_size // 2
    return pools.filter(pl.Series(is_kept))


def _rank(keys: np.ndarray) -> np.ndarray:
    """Return the number of earlier elements with the same key: int [N]."""
    order = np.argsort(keys, kind="stable")
    found = np.empty(len(keys), dtype=np.int64)
    found[order] = rank_in_run(keys[order])
    return found
