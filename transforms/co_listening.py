"""Which tracks are heard near each other: counts of pairs within sessions, and each track's nearest neighbours."""

import polars as pl

from transforms.schemas import NEIGHBOURS, PAIR_COUNTS, PLAY

SESSION_GAP_MINUTES = 30
# Two plays count as near up to this distance; the weight is 1/distance, in 60ths so that sums are exact.
WINDOW = 5
UNIT = 60
# A play under 30 s is a skip (the streaming services' own definition of a play that counts).
SKIP_MS = 30_000


def is_listened() -> pl.Expr:
    """Whether a row of PLAYS is a play of 30 s or more; a play of unknown length counts as one."""
    return (pl.col("action") == PLAY) & (pl.col("ms_played").fill_null(SKIP_MS) >= SKIP_MS)


def count_pairs(plays: pl.DataFrame) -> pl.DataFrame:
    """PLAYS in order -> PAIR_COUNTS of this bucket, both directions.

    session   a b c      (a,b) 60  (b,c) 60  (a,c) 30, and the same turned round
    """
    heard = plays.filter(is_listened()).select("user_id", "track", "played_at")
    gap = pl.duration(minutes=SESSION_GAP_MINUTES)
    is_new = (pl.col("played_at").diff() > gap) | (pl.col("user_id") != pl.col("user_id").shift(1))
    sessions = heard.select("track", session=is_new.fill_null(True).cum_sum())
    # one 64-bit key groups far faster than two columns
    low, high = pl.min_horizontal("track", "other").cast(pl.Int64), pl.max_horizontal("track", "other")
    pairs = pl.concat(
        sessions.select(
            "track",
            pl.col("track").shift(-distance).alias("other"),
            near=pl.col("session") == pl.col("session").shift(-distance),
        )
        .filter(pl.col("near") & (pl.col("track") != pl.col("other")))
        .select(key=low * 2**32 + high, weight=pl.lit(UNIT // distance, dtype=pl.Int64))
        for distance in range(1, WINDOW + 1)
    )
    counts = pairs.group_by("key").agg(pl.col("weight").sum())
    lower, higher = (pl.col("key") // 2**32).cast(pl.Int32), (pl.col("key") % 2**32).cast(pl.Int32)
    return pl.concat(
        [
            counts.select(lower.alias("track"), higher.alias("other"), "weight"),
            counts.select(higher.alias("track"), lower.alias("other"), "weight"),
        ]
    ).select(PAIR_COUNTS.names)


def find_neighbours(
    pairs: pl.DataFrame, *, track_counts: pl.DataFrame, num_neighbours: int, shrinkage: float
) -> pl.DataFrame:
    """PAIR_COUNTS of whole tracks -> NEIGHBOURS: the `num_neighbours` of highest shrunk cosine.

    similarity = w_ab / sqrt(n_a n_b) * w_ab / (w_ab + shrinkage), w in plays, n the plays of a track: item-item cosine
    with the significance weighting of Herlocker et al. (SIGIR 1999), so that one chance meeting is no neighbour.
    """
    sums = pairs.group_by("track", "other").agg(pl.col("weight").sum() / UNIT)
    plays = track_counts.select("track", n=pl.col("n_plays").cast(pl.Float64))
    joined = sums.join(plays, on="track").join(plays, left_on="other", right_on="track", suffix="_other")
    weight = pl.col("weight")
    cosine = weight / (pl.col("n") * pl.col("n_other")).sqrt() * weight / (weight + shrinkage)
    ranked = joined.select("track", "other", similarity=cosine.cast(pl.Float32))
    ordered = ranked.sort("track", "similarity", "other", descending=[False, True, False])
    place = pl.int_range(pl.len()).over("track")
    return ordered.filter(place < num_neighbours).select(NEIGHBOURS.names)
