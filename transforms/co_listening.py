"""Which tracks are heard near each other: counts of pairs within sessions, and each track's nearest neighbours."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from transforms.schemas import NEIGHBOURS, PLAY

SESSION_GAP_MINUTES = 30
# Two plays count as near up to this distance; the weight is 1/distance, in 60ths so that sums are exact.
WINDOW = 5
UNIT = 60
# A pair and its moment in one 64-bit key: up to a thousand million tracks.
TRACK_BITS, MOMENT_BITS = 30, 3
# A play under 30 s is a skip (the streaming services' own definition of a play that counts).
SKIP_MS = 30_000


def is_listened() -> pl.Expr:
    """Whether a row of PLAYS is a play of 30 s or more; a play of unknown length counts as one."""
    return (pl.col("action") == PLAY) & (pl.col("ms_played").fill_null(SKIP_MS) >= SKIP_MS)


def count_pairs(plays: pl.DataFrame, *, moments: Sequence[datetime]) -> pl.DataFrame:
    """PLAYS in order -> PAIR_COUNTS of this bucket, both directions, of plays known before the last moment.

        session   a b c      (a,b) 60  (b,c) 60  (a,c) 30, and the same turned round

    What one moment knows, the later ones know too: pairs are counted and shuffled once for all of them. Distances are
    those in the log as the last moment knows it; a play that arrived late may have come between two for the earlier.
    """
    heard = plays.filter(is_listened() & (pl.col("known_at") < moments[-1]))
    gap = pl.duration(minutes=SESSION_GAP_MINUTES)
    is_new = (pl.col("played_at").diff() > gap) | (pl.col("user_id") != pl.col("user_id").shift(1))
    known = pl.sum_horizontal((pl.col("known_at") >= moment).cast(pl.Int64) for moment in moments)
    sessions = heard.select("track", session=is_new.fill_null(True).cum_sum(), moment=known)
    # one 64-bit key groups far faster than three columns
    pairs = pl.concat(_at_distance(sessions, distance) for distance in range(1, WINDOW + 1))
    counts = pairs.group_by("key").agg(pl.col("weight").sum().clip(0, 2**31 - 1).cast(pl.Int32))
    lower, higher = _bits(MOMENT_BITS + TRACK_BITS, TRACK_BITS), _bits(MOMENT_BITS, TRACK_BITS)
    moment = _bits(0, MOMENT_BITS).cast(pl.Int8).alias("moment")
    return pl.concat(
        [
            counts.select(lower.alias("track"), higher.alias("other"), moment, "weight"),
            counts.select(higher.alias("track"), lower.alias("other"), moment, "weight"),
        ]
    )


def _at_distance(sessions: pl.DataFrame, distance: int) -> pl.DataFrame:
    """The pairs so many plays apart: key (lower track, higher track, moment) and weight."""
    track, other = pl.col("track").cast(pl.Int64), pl.col("track").shift(-distance).cast(pl.Int64)
    low, high = pl.min_horizontal(track, other), pl.max_horizontal(track, other)
    moment = pl.max_horizontal("moment", pl.col("moment").shift(-distance))
    is_near = (pl.col("session") == pl.col("session").shift(-distance)) & (track != other)
    key = low * 2 ** (TRACK_BITS + MOMENT_BITS) + high * 2**MOMENT_BITS + moment
    return sessions.select(key=pl.when(is_near).then(key), weight=pl.lit(UNIT // distance, dtype=pl.Int64)).drop_nulls()


def _bits(start: int, count: int) -> pl.Expr:
    return (pl.col("key") // 2**start % 2**count).cast(pl.Int32)


def find_neighbours(
    pairs: pl.DataFrame, *, moment: int, track_counts: pl.DataFrame, num_neighbours: int, shrinkage: float
) -> pl.DataFrame:
    """PAIR_COUNTS of whole tracks -> NEIGHBOURS as of a moment: the `num_neighbours` of highest shrunk cosine.

    similarity = w_ab / sqrt(n_a n_b) * w_ab / (w_ab + shrinkage), w in plays, n the plays of a track: item-item cosine
    with the significance weighting of Herlocker et al. (SIGIR 1999), so that one chance meeting is no neighbour.
    """
    known = pairs.filter(pl.col("moment") <= moment)
    sums = known.group_by("track", "other").agg(pl.col("weight").cast(pl.Int64).sum() / UNIT)
    plays = track_counts.select("track", n=pl.col("n_plays").cast(pl.Float64))
    joined = sums.join(plays, on="track").join(plays, left_on="other", right_on="track", suffix="_other")
    weight = pl.col("weight")
    cosine = weight / (pl.col("n") * pl.col("n_other")).sqrt() * weight / (weight + shrinkage)
    ranked = joined.select("track", "other", similarity=cosine.cast(pl.Float32))
    ordered = ranked.sort("track", "similarity", "other", descending=[False, True, False])
    place = pl.int_range(pl.len()).over("track")
    return ordered.filter(place < num_neighbours).select(NEIGHBOURS.names)
