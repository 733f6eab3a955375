"""Fit the baselines on the plays before a cutoff, and let them rank all tracks for the users to evaluate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters
from transforms.catalog.catalog import Catalog, open_catalog
from transforms.evaluation.schemas import EVALUATION_ROWS
from transforms.events.ages import days_since
from transforms.events.listening import SESSION_GAP_MINUTES, is_listened
from transforms.tables.artifacts import BuildArtifact, local_copy
from transforms.tables.buckets import MapBuckets, Opened
from transforms.tables.columns import fill_columns, to_frame
from transforms.tables.groups import rank_in_run
from transforms.tables.hashing import stable_hash
from transforms.tables.schemas import PLAY, PLAYS

# Blocks are padded to one size: a matrix product may round differently for another number of rows.
BASELINE_BLOCK_USERS = 128
# The baseline behind each system, and its parameters.
TunedBaselines = Mapping[str, tuple[Baseline, Parameters]]


@dataclass(eq=False)
class ListBaselines(beam.PTransform):
    """Fit the baselines on `history` on one worker, then apply list_baselines() to every bucket of `users`."""

    history: beam.PCollection
    catalog_path: beam.PCollection
    baselines: TunedBaselines
    cutoff_at: datetime
    folder: str
    list_depth: int

    def expand(self, users: beam.PCollection) -> beam.PCollection:
        """Build one artifact, apply one map."""
        arguments = {
            "catalog": Opened(self.catalog_path, open_catalog),
            "baselines": self.baselines,
            "cutoff_at": self.cutoff_at,
        }
        fitted = users.pipeline | BuildArtifact(fit_baselines, folder=self.folder, plays=[self.history], **arguments)
        learned = Opened(fitted, open_fitted)
        return users | MapBuckets(
            list_baselines, out=EVALUATION_ROWS, learned=learned, depth=self.list_depth, **arguments
        )


def fit_baselines(
    directory: Path,
    *,
    plays: Sequence[tuple[int, pa.Table]],
    catalog: Catalog,
    baselines: TunedBaselines,
    cutoff_at: datetime,
) -> None:
    """Fit every baseline that the catalog is not too large for; write one .npz each."""
    tables = [PLAYS.empty(), *(table for _, table in plays)]
    everyone = to_frame(pa.concat_tables(tables)).sort("user_id", maintain_order=True)
    log = to_interactions(everyone, num_tracks=len(catalog.tracks), cutoff_at=cutoff_at)
    for system, (baseline, parameters) in baselines.items():
        if log.num_tracks <= baseline.max_tracks:
            np.savez(directory / f"{system}.npz", **dict(baseline.fit(log, parameters)))  # type: ignore[arg-type]


@lru_cache(maxsize=2)
def open_fitted(path: str) -> dict[str, Arrays]:
    """Return the arrays that fit_baselines() wrote, by system, in single precision: half precision only saves disk."""
    return {file.stem: {name: _single(a) for name, a in np.load(file).items()} for file in _files(path)}


def _files(path: str) -> list[Path]:
    return sorted(local_copy(path).glob("*.npz"))


def _single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float16 else array


def to_interactions(plays: pl.DataFrame, *, num_tracks: int, cutoff_at: datetime) -> Interactions:
    """Convert PLAYS of whole users in order to Interactions, with users who have no play."""
    ids = plays.select(pl.col("user_id").unique(maintain_order=True))["user_id"]
    coded = plays.with_columns(user=pl.col("user_id").rle_id()).filter(is_listened() & pl.col("track").is_not_null())
    gap = pl.duration(minutes=SESSION_GAP_MINUTES)
    is_new = (pl.col("played_at").diff() > gap) | (pl.col("user").diff() != 0)
    columns = coded.select(
        pl.col("user", "track").cast(pl.Int32),
        session=is_new.fill_null(True).cum_sum().cast(pl.Int32),
        days=days_since("played_at", cutoff_at),
    )
    arrays = {name: columns[name].to_numpy() for name in columns.columns}
    return Interactions(**arrays, user_key=stable_hash(ids, seed=0), num_tracks=num_tracks)


def list_baselines(
    plays: pl.DataFrame,
    *,
    learned: Mapping[str, Arrays],
    catalog: Catalog,
    baselines: TunedBaselines,
    cutoff_at: datetime,
    depth: int,
) -> pl.DataFrame:
    """PLAYS of whole users in order, known before the cutoff -> EVALUATION_ROWS: a list for each user and baseline.

    A list holds the best `depth` played tracks and the best `depth` others, so that it is as long for repeats as it is
    for discoveries.
    """
    names = pl.Enum(list(baselines))
    parts = [
        rows.with_columns(system=pl.lit(system, dtype=names))
        for block, users in _user_blocks(plays)
        for system, scores, is_played in _scored(block, users, learned, len(catalog.tracks), baselines, cutoff_at)
        for rows in [_rank_tracks(scores, is_played, users, depth)]
    ]
    nothing = _rank_tracks(np.empty((0, 1)), np.empty((0, 1), dtype=bool), plays["user_id"].clear(), depth)
    empty = nothing.with_columns(system=pl.lit(None, dtype=names))
    return fill_columns(pl.concat([empty, *parts]), EVALUATION_ROWS)


def _user_blocks(plays: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Yield plays and ids of BASELINE_BLOCK_USERS users at a time."""
    block = plays["user_id"].rle_id() // BASELINE_BLOCK_USERS
    for number in block.unique().sort():
        part = plays.filter(block == number)
        yield part, part["user_id"].unique(maintain_order=True)


def _scored(
    plays: pl.DataFrame,
    users: pl.Series,
    learned: Mapping[str, Arrays],
    num_tracks: int,
    baselines: TunedBaselines,
    cutoff_at: datetime,
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    log = _pad_users(to_interactions(plays, num_tracks=num_tracks, cutoff_at=cutoff_at))
    played = plays.with_columns(user=pl.col("user_id").rle_id()).filter(
        (pl.col("action") == PLAY) & pl.col("track").is_not_null()
    )
    is_played = np.zeros((log.num_users, num_tracks), dtype=bool)
    is_played[played["user"].to_numpy(), played["track"].to_numpy()] = True
    for system, (baseline, parameters) in baselines.items():
        if system in learned:
            scores = baseline.score(log, learned[system], parameters)[: len(users)]
            yield system, scores, is_played[: len(users)]


def _pad_users(log: Interactions) -> Interactions:
    """Add users without a play until the block has BASELINE_BLOCK_USERS users."""
    padding = np.zeros(BASELINE_BLOCK_USERS - log.num_users, dtype=np.uint64)
    keys = np.concatenate([log.user_key, padding])
    return Interactions(log.user, log.track, log.session, log.days, keys, log.num_tracks)


def _rank_tracks(scores: np.ndarray, is_played: np.ndarray, users: pl.Series, depth: int) -> pl.DataFrame:
    """Rank each user's best `depth` played tracks and best `depth` others: user_id, track, rank; ties by code."""
    tops = (top_tracks(np.where(mask, scores, -np.inf), depth) for mask in (is_played, ~is_played))
    row, track = (np.concatenate(parts) for parts in zip(*tops, strict=True))
    order = np.lexsort((track, -scores[row, track], row))
    row, track = row[order], track[order]
    rank = rank_in_run(row)
    return pl.DataFrame(
        {"user_id": users.gather(row), "track": track.astype(np.int32), "rank": rank.astype(np.int32)},
        schema_overrides={"user_id": users.dtype},
    )


def top_tracks(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the k highest scores of each row but -inf, the first of equal ones: rows and columns, unordered."""
    k = min(k, scores.shape[1])
    threshold = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    is_above = scores > threshold
    is_equal = (scores == threshold) & np.isfinite(scores)
    missing = k - is_above.sum(axis=1, keepdims=True)
    row, column = np.nonzero(is_above | (is_equal & (np.cumsum(is_equal, axis=1) <= missing)))
    return row, column
