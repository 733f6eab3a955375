"""Measure the ranks of predicted plays: sums over users that any number of buckets can add up."""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import polars as pl
from scipy.sparse import csr_matrix

from transforms.evaluation.bootstrap import MAX_BLOCK_USERS, replicate_weights, sum_replicates
from transforms.evaluation.schemas import SUMS
from transforms.evaluation.sums import merge_sums
from transforms.tables.buckets import CombineBuckets
from transforms.tables.hashing import mix, stable_hash

# The sums that others are divided by: the numbers of predicted plays, under no system.
CASES = "cases"
EVERY_PLAY, IN_SESSION, FIRST, NO_HISTORY = "every play", "in session", "first of session", "no history"
CASE_SEGMENTS = (IN_SESSION, FIRST, NO_HISTORY, EVERY_PLAY)
NEXT_TRACK_METRICS = ("ndcg@10", "recall@20", "recall@100", "mrr")
NEXT_TRACK_TARGETS = ("all", "repeats", "discoveries")


@dataclass(eq=False)
class MeasureNextTracks(beam.PTransform):
    """Apply measure_next_tracks() to every bucket of NEXT_TRACK_RANKS; yields one table of SUMS."""

    systems: tuple[str, ...]
    num_replicates: int
    seed: int

    def expand(self, ranks: beam.PCollection) -> beam.PCollection:
        """Apply one reduction."""
        return ranks | CombineBuckets(
            measure_next_tracks,
            merge_sums,
            out=SUMS,
            systems=self.systems,
            num_replicates=self.num_replicates,
            seed=self.seed,
        )


def measure_next_tracks(
    ranks: pl.DataFrame, *, systems: tuple[str, ...], num_replicates: int, seed: int
) -> pl.DataFrame:
    """NEXT_TRACK_RANKS of whole users -> SUMS; every play counts the same, and replicates draw users."""
    ordered = ranks.sort("user_id", "number")
    user = ordered["user_id"].rle_id().to_numpy() // MAX_BLOCK_USERS
    blocks = [
        _measure_block(ordered.filter(pl.Series(user == block)), systems, num_replicates, seed)
        for block in np.unique(user)
    ]
    return merge_sums(pl.concat([SUMS.frame(), *blocks]))


def _measure_block(ranks: pl.DataFrame, systems: tuple[str, ...], num_replicates: int, seed: int) -> pl.DataFrame:
    user = ranks["user_id"].rle_id().to_numpy()
    ids = ranks["user_id"].unique(maintain_order=True)
    weights = replicate_weights(mix(stable_hash(ids, seed=0) + np.uint64(seed)), num_replicates)
    values = np.concatenate([np.ones((len(ranks), 1)), case_values(_rank_matrix(ranks, len(systems)))], axis=1)
    names = [("", CASES), *((system, metric) for system in systems for metric in NEXT_TRACK_METRICS)]
    parts = []
    for segment, targets, is_one in _groups(ranks):
        rows = np.flatnonzero(is_one)
        by_user = csr_matrix((np.ones(len(rows)), (user[rows], rows)), shape=(len(ids), len(ranks))) @ values
        frame = pl.DataFrame(names, schema=["system", "metric"], orient="row")
        summed = pl.Series("values", sum_replicates(by_user, weights)).cast(pl.List(pl.Int64))
        parts.append(frame.with_columns(pl.lit(targets).alias("targets"), pl.lit(segment).alias("segment"), summed))
    return pl.concat([SUMS.frame(), *parts])


def _rank_matrix(ranks: pl.DataFrame, num_systems: int) -> np.ndarray:
    """Return the ranks of all systems: int32 [B, K]."""
    return ranks["ranks"].list.to_array(num_systems).to_numpy().reshape(-1, num_systems)


def case_values(ranks: np.ndarray) -> np.ndarray:
    """Return NEXT_TRACK_METRICS of ranks [B, K] of single targets: float64 [B, K * 4]."""
    values = (
        np.where(ranks < 10, 1 / np.log2(ranks + 2.0), 0.0),
        (ranks < 20).astype(np.float64),
        (ranks < 100).astype(np.float64),
        1 / (ranks + 1.0),
    )
    return np.stack(values, axis=2).reshape(len(ranks), -1)


def _groups(ranks: pl.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield segment, kind of targets and the plays that belong to both: bool [B]."""
    number, first, repeat = (ranks[name].to_numpy() for name in ("number", "is_first", "is_repeat"))
    segments = {
        EVERY_PLAY: np.ones(len(ranks), dtype=bool),
        IN_SESSION: ~first,
        FIRST: first & (number > 0),
        NO_HISTORY: number == 0,
    }
    kinds = {"all": np.ones(len(ranks), dtype=bool), "repeats": repeat, "discoveries": ~repeat}
    for segment, is_in in segments.items():
        for targets, is_kind in kinds.items():
            yield segment, targets, is_in & is_kind
