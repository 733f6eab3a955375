"""Which tracks are heard near each other: weights of pairs, and each track's nearest neighbours."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix

from transforms.best_of_rows import ROWS_PER_BLOCK, best_of_rows
from transforms.schemas import NEIGHBOURS, PLAY

SESSION_GAP_MINUTES = 30
# Two first listens of a user are a pair up to this distance, within and across sessions. A pair counts less the more
# lies between: distance^-1/4, halved per so many days. Integers, so that sums are exact.
WINDOW = 20
DISTANCE_POWER = 0.25
GAP_HALF_LIFE_DAYS = 100.0
UNIT = 1024
# First listens of a user that count, the newest: one who has heard everything says little of what belongs together.
MAX_TRACKS_PER_USER = 2_000
# A pair's direction is left out: in 30Music the way back says as much as the way there.
# w / (n_a^0.5 n_b^0.05): the popularity of the neighbour is damped only a little.
OWN_POWER, OTHER_POWER = 0.5, 0.05
# A pair and its moment in one 64-bit key: up to a thousand million tracks.
TRACK_BITS, MOMENT_BITS = 30, 3
# A play under 30 s is a skip (the streaming services' own definition of a play that counts).
SKIP_MS = 30_000


def is_listened() -> pl.Expr:
    """Whether a row of PLAYS is a play of 30 s or more; a play of unknown length counts as one."""
    return (pl.col("action") == PLAY) & (pl.col("ms_played").fill_null(SKIP_MS) >= SKIP_MS)


def count_pairs(plays: pl.DataFrame, *, moments: Sequence[datetime]) -> pl.DataFrame:
    """PLAYS in order -> PAIR_COUNTS of this bucket, both directions, of plays known before the last moment.

        first listens   a b a c      (a,b) 1  (b,c) 1  (a,c) 2^-1/4, and the same turned round

    Only the first time that a user listens to a track counts: what is repeated would say over and over what it is
    heard with. What one moment knows, the later ones know too: pairs are counted and shuffled once for all of them.
    First listens and distances are those in the log as the last moment knows it.
    """
    heard = plays.filter(is_listened() & (pl.col("known_at") < moments[-1]) & pl.col("track").is_not_null())
    first = heard.unique(["user_id", "track"], keep="first", maintain_order=True)
    newest = pl.int_range(pl.len(), 0, -1).over("user_id") <= MAX_TRACKS_PER_USER
    known = pl.sum_horizontal((pl.col("known_at") >= moment).cast(pl.Int64) for moment in moments)
    listens = first.filter(newest).select(
        pl.col("track").cast(pl.Int64), "played_at", user=pl.col("user_id").to_physical(), moment=known
    )
    # one 64-bit key groups far faster than three columns
    pairs = pl.concat(_at_distance(listens, distance) for distance in range(1, WINDOW + 1))
    counts = pairs.group_by("key").agg(pl.col("weight").cast(pl.Int64).sum().clip(0, 2**31 - 1).cast(pl.Int32))
    lower, higher = _bits(MOMENT_BITS + TRACK_BITS, TRACK_BITS), _bits(MOMENT_BITS, TRACK_BITS)
    moment = _bits(0, MOMENT_BITS).cast(pl.Int8).alias("moment")
    return pl.concat(
        [
            counts.select(lower.alias("track"), higher.alias("other"), moment, "weight"),
            counts.select(higher.alias("track"), lower.alias("other"), moment, "weight"),
        ]
    )


def _at_distance(listens: pl.DataFrame, distance: int) -> pl.DataFrame:
    """The pairs so many first listens apart: key (lower track, higher track, moment) and weight."""
    after = pl.all().shift(-distance).name.suffix("_after")
    low, high = pl.min_horizontal("track", "track_after"), pl.max_horizontal("track", "track_after")
    moment = pl.max_horizontal("moment", "moment_after")
    days = (pl.col("played_at_after") - pl.col("played_at")).dt.total_microseconds() / 86_400e6
    weight = UNIT * distance**-DISTANCE_POWER * pl.lit(2.0).pow(-days / GAP_HALF_LIFE_DAYS)
    return (
        listens.select(pl.all(), after)
        .filter(pl.col("user") == pl.col("user_after"))
        .select(
            key=low * 2 ** (TRACK_BITS + MOMENT_BITS) + high * 2**MOMENT_BITS + moment,
            weight=weight.round().cast(pl.Int32),
        )
        .filter(pl.col("weight") > 0)
    )


def _bits(start: int, count: int) -> pl.Expr:
    return (pl.col("key") // 2**start % 2**count).cast(pl.Int32)


def find_neighbours(
    pairs: pl.DataFrame, *, moment: int, track_counts: pl.DataFrame, num_neighbours: int
) -> pl.DataFrame:
    """PAIR_COUNTS of whole tracks -> NEIGHBOURS as of a moment: the `num_neighbours` of highest similarity.

    similarity(a, b) = w_ab / (n_a^0.5 n_b^0.05), w the summed weights, n the plays of a track: between the cosine
    (Sarwar et al., WWW 2001) and the conditional probability (Deshpande and Karypis, TOIS 2004), near the latter.
    """
    known = pairs.filter(pl.col("moment") <= moment)
    if known.is_empty():
        return NEIGHBOURS.frame()
    track, other = known["track"].to_numpy(), known["other"].to_numpy()
    plays = np.ones(1 + max(track.max(), other.max(), track_counts["track"].max()))
    plays[track_counts["track"].to_numpy()] = track_counts["n_plays"].to_numpy()
    present, row = _places(track, len(plays))
    # whole numbers of 1/1024: sums of doubles are exact
    weight = known["weight"].to_numpy().astype(np.float64)
    sums = coo_matrix((weight, (row, other)), shape=(len(present), len(plays))).tocsr()
    sums.sort_indices()
    row = np.repeat(np.arange(len(present)), np.diff(sums.indptr))
    powers = plays[present[row]] ** OWN_POWER * plays[sums.indices] ** OTHER_POWER
    similarity = (sums.data / UNIT / powers).astype(np.float32)
    blocks = []
    for start in range(0, len(present), ROWS_PER_BLOCK):
        low, high = sums.indptr[start], sums.indptr[min(start + ROWS_PER_BLOCK, len(present))]
        entries = row[low:high] - start, sums.indices[low:high], similarity[low:high]
        block, others, best = best_of_rows(*entries, num_neighbours)
        blocks.append((present[block + start], others, best))
    columns = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return pl.DataFrame(dict(zip(NEIGHBOURS.names, columns, strict=True)), schema=dict(NEIGHBOURS.frame().schema))


def _places(codes: np.ndarray, num_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct codes, ascending, and the place of each code among them."""
    is_present = np.zeros(num_codes, dtype=bool)
    is_present[codes] = True
    return np.flatnonzero(is_present), (np.cumsum(is_present) - 1)[codes]
