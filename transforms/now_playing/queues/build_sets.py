"""Sets of tracks for the search of an order: drawn by chance from the pools, as padded arrays."""

from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.now_playing.queues.draw_sets import draw_sets, inclusion_probabilities
from transforms.now_playing.queues.listeners import QueueListeners
from transforms.now_playing.queues.order_queues import OrderWeights, Sets
from transforms.now_playing.queues.pools import WAYS
from transforms.now_playing.queues.queue_tables import MIN_ARTIST_DISTANCE, SHARE_WINDOW, QueuePolicy
from transforms.now_playing.skips.skip_features import ARTIST_RECENT, SKIP_FEATURES, STEP, TrackFigures, own_features
from transforms.now_playing.skips.skip_model import OrderModel
from transforms.tables.groups import rank_in_run
from transforms.tables.hashing import mix, stable_hash, uniform

# The session that the search of an order supposes: in its middle, all listened to. What is absent counts as usual.
_SUPPOSED = {"position": np.log1p(5.0), "familiar_share": 0.5, "minutes": np.log1p(15.0)}
_ZERO = (
    "skips_last_1",
    "skips_last_3",
    "skips_last_5",
    "artist_run",
    "artist_recent",
    "step",
    "is_manual",
    "is_shuffle",
)
_LEAST_CHANCE = 1e-6


class DrawnSets(NamedTuple):
    """sets: for the search. rows: the pool's rows that were drawn, with `propensity`; row: their index, int [Q, S]."""

    sets: Sets
    rows: pl.DataFrame
    row: np.ndarray


def wishes(pools: pl.DataFrame, queues: pl.DataFrame, listeners: QueueListeners, length: int) -> np.ndarray:
    """Return the known tracks in ten of each queue: as the user is used to, as far as the pool has them: int [Q]."""
    usual = listeners.users["familiar_per_10"].to_numpy()[queues["user"].to_numpy()]
    queue, is_familiar = pools["queue"].to_numpy(), pools["is_familiar"].to_numpy()
    num_familiar = np.bincount(queue[is_familiar], minlength=len(queues))
    num_new = np.bincount(queue[~is_familiar], minlength=len(queues))
    most = np.minimum(SHARE_WINDOW, SHARE_WINDOW * num_familiar // length)
    least = SHARE_WINDOW - np.minimum(SHARE_WINDOW, SHARE_WINDOW * num_new // length)
    return np.asarray(np.maximum(np.minimum(usual, most), least))


def draw_from_pools(
    pools: pl.DataFrame, queues: pl.DataFrame, listeners: QueueListeners, policy: QueuePolicy
) -> pl.DataFrame:
    """Draw the set of each queue; return its rows with `propensity`, by queue and track.

    queues: with familiar_per_10. Known and new tracks are drawn apart, in this proportion, by two numbers of queue and
    day.
    """
    num_familiar = np.rint(policy.set_size * queues["familiar_per_10"].to_numpy() / SHARE_WINDOW)
    number = queue_hashes(queues, listeners, policy)
    drawn = []
    for is_familiar, size in ((True, num_familiar), (False, policy.set_size - num_familiar)):
        rows = pools.filter(pl.col("is_familiar") == is_familiar)
        queue = rows["queue"].to_numpy()
        at = (queue, rank_in_run(queue))
        weight = np.zeros((len(queues), 1 + int(at[1].max(initial=0))))
        weight[at] = np.maximum(rows["chance"].to_numpy(), _LEAST_CHANCE) ** policy.temperature
        # rounded: how far rows are padded would show in the last digits
        probability = np.round(inclusion_probabilities(weight, size), 9)
        is_drawn = draw_sets(probability, uniform(mix(number + np.uint64(is_familiar))))
        drawn.append(rows.with_columns(propensity=pl.Series(probability[at])).filter(pl.Series(is_drawn[at])))
    return pl.concat(drawn).sort("queue", "track")


def queue_hashes(queues: pl.DataFrame, listeners: QueueListeners, policy: QueuePolicy) -> np.ndarray:
    """Return a random number of each queue and day: uint64 [Q]; it depends on the seed, the user and the context."""
    user = stable_hash(listeners.users["user_id"], seed=policy.seed)[queues["user"].to_numpy()]
    context = stable_hash(queues["context"].cast(pl.Int64) * 2**32 + queues["code"], seed=policy.day.toordinal())
    return mix(user ^ context) << np.uint64(1)


def build_sets(
    drawn: pl.DataFrame,
    queues: pl.DataFrame,
    tracks: pl.DataFrame,
    listeners: QueueListeners,
    facts: TrackFigures,
    model: OrderModel,
) -> DrawnSets:
    """Return the drawn rows as padded arrays; tracks: of the contexts, in order."""
    queue, track = drawn["queue"].to_numpy(), drawn["track"].to_numpy()
    place = rank_in_run(queue)
    shape = (len(queues), max(1, 1 + int(place.max(initial=0))))
    row = np.full(shape, -1)
    row[queue, place] = np.arange(len(drawn))
    code = np.where(row >= 0, np.append(track, 0)[row], 0)

    def padded(values: np.ndarray, fill: float) -> np.ndarray:
        return np.where(row >= 0, np.append(values, 0)[row], fill).astype(np.float32)

    last = last_tracks(tracks, len(queues))
    vector, before = facts.vector[code], facts.vector[np.maximum(last[:, :1], 0)]
    usual = float(model.mean[SKIP_FEATURES.index(STEP)])
    liking = {name: np.log(np.maximum(drawn[name].to_numpy(), _LEAST_CHANCE)) for name in WAYS}
    own = np.logaddexp(liking["own"], liking["follows_own"])
    sets = Sets(
        is_there=row >= 0,
        is_familiar=padded(drawn["is_familiar"].to_numpy(), 0) > 0,
        artist=np.where(row >= 0, facts.artist[code], -1),
        log_odds=padded(model.log_odds(_supposed_features(drawn, listeners, facts)), 0),
        distance=distances(vector, vector, usual),
        first_distance=np.where(last[:, :1] >= 0, distances(before, vector, usual)[:, 0], np.float32(0)),
        context_liking=padded(np.logaddexp(liking["follows"], liking["by_artist"]), 0),
        own_liking=padded(own, 0),
        last_artist=np.where(last >= 0, facts.artist[np.maximum(last, 0)], -1),
        last_familiar=np.full((len(queues), SHARE_WINDOW - 1), np.nan, dtype=np.float32),
        familiar_per_10=queues["familiar_per_10"].to_numpy(),
    )
    return DrawnSets(sets, drawn, row)


def order_weights(model: OrderModel, liking: float, familiar_first: float) -> OrderWeights:
    """Return the weights of an order; neither a step nor a repeated artist makes a skip less likely."""
    weights = dict(zip(SKIP_FEATURES, model.weights, strict=True))
    return OrderWeights(max(weights[STEP], 0.0), max(weights[ARTIST_RECENT], 0.0), liking, familiar_first)


def distances(vectors: np.ndarray, others: np.ndarray, usual: float) -> np.ndarray:
    """Return 1 - cosine of vectors [Q, R, V] and others [Q, S, V], of unit length: float32 [Q, R, S].

    usual: where either is unknown, which is all zeros.
    """
    found = np.asarray(1 - vectors @ others.transpose(0, 2, 1), dtype=np.float32)
    found[~vectors.any(axis=2)] = usual
    found.transpose(0, 2, 1)[~others.any(axis=2)] = usual
    return found


def last_tracks(tracks: pl.DataFrame, num_queues: int) -> np.ndarray:
    """Return the last tracks of each context, the newest first, -1 where there are fewer: [Q, MIN_ARTIST_DISTANCE]."""
    found = np.full((num_queues, MIN_ARTIST_DISTANCE), -1)
    back = tracks.reverse()
    queue = back["queue"].to_numpy()
    place = rank_in_run(queue)
    is_kept = place < MIN_ARTIST_DISTANCE
    found[queue[is_kept], place[is_kept]] = back["track"].to_numpy()[is_kept]
    return found


def rows_with_own_plays(rows: pl.DataFrame, listeners: QueueListeners) -> dict[str, np.ndarray]:
    """Return the plays and skips so far of user, track and artist of rows, see own_features()."""
    joined = (
        rows.select("user", "track", "artist")
        .join(listeners.users.select("user", "user_plays", "user_skips"), on="user", how="left", maintain_order="left")
        .join(
            listeners.own.select("user", "track", track_plays="plays", track_skips="skips", days_since_track="days"),
            on=["user", "track"],
            how="left",
            maintain_order="left",
        )
        .join(
            listeners.artists.rename({"plays": "artist_plays", "skips": "artist_skips"}),
            on=["user", "artist"],
            how="left",
            maintain_order="left",
        )
    )
    counts = {
        f"{kind}_{what}": joined[f"{kind}_{what}"].fill_null(0.0).to_numpy()
        for kind in ("user", "track", "artist")
        for what in ("plays", "skips")
    }
    return {**counts, "days_since_track": joined["days_since_track"].fill_null(np.nan).to_numpy()}


def _supposed_features(rows: pl.DataFrame, listeners: QueueListeners, facts: TrackFigures) -> np.ndarray:
    """Return SKIP_FEATURES of rows in the middle of a session whose order is not known yet."""
    user, track = rows["user"].to_numpy(), rows["track"].to_numpy()
    own = own_features(rows_with_own_plays(rows, listeners), facts, track, listeners.taste[user])
    known = {**dict.fromkeys(_ZERO, 0.0), **_SUPPOSED}
    columns = [own[name] if name in own else np.full(len(rows), known.get(name, np.nan)) for name in SKIP_FEATURES]
    return np.column_stack(columns)
