"""The embedding tables of the track tower: rows are read where tracks name them, and moved there by Adagrad.

words of M tracks            shares [M, R]            read: shares @ table            -> [M, D], for TensorFlow
  0: 7 3                       row    3 . 7           move: shares' @ gradient [M, D] -> [U, D], of the rows that are
  1: 3                         0:    .5 . .5                named, each once
                               1:    .5 . .

They stand beside TensorFlow, which sees only what a batch needs: its sparse Adagrad takes twice as long as this one,
and there is no other copy of a table, which has a gigabyte where there are four million tracks.
"""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from models.towers.contract import TrackContent

# The loss is a mean, so that gradients are small. It bounds the first steps of a row.
INITIAL_SQUARES = 1.1e-7
_ROWS_PER_BLOCK = 1024  # moved at a time by a worker: what is computed of them stays in its cache


@dataclass(frozen=True)
class Bag:
    """What M tracks name of a table: their shares [M, R]; its distinct rows, int32 [U]; turned: their shares [U, M]."""

    shares: csr_matrix
    rows: np.ndarray
    turned: csr_matrix


@dataclass(frozen=True)
class EmbeddingTable:
    """Embeddings and, of each number, the sum of its squared gradients (Duchi et al., JMLR 2011): float32 [R, D]."""

    weights: np.ndarray
    squares: np.ndarray

    def read(self, shares: csr_matrix) -> np.ndarray:
        """Sum the rows of M tracks by their shares [M, R]: float32 [M, D]."""
        return np.asarray(shares @ self.weights)

    def move(self, rows: np.ndarray, slope: np.ndarray, learning_rate: float) -> None:
        """Take a step of Adagrad against the gradient [U, D] of distinct rows."""
        squares = np.take(self.squares, rows, axis=0)
        squares += slope * slope
        self.squares[rows] = squares
        step = np.divide(slope, np.sqrt(squares, out=squares), out=squares)
        step *= np.float32(learning_rate)
        moved = np.take(self.weights, rows, axis=0)
        moved -= step
        self.weights[rows] = moved


def shares_of(content: TrackContent, tracks: np.ndarray) -> dict[str, csr_matrix]:
    """What track codes [M] name of each table, by its name: [M, R]. What is unknown has no share, nor an unheard id."""
    is_heard = content.num_plays[tracks, np.newaxis] > 0
    named = {
        "artist": content.artist[tracks, np.newaxis],
        "genre": content.genres[tracks],
        "word": content.words[tracks],
    }
    shares = {name: _shares(rows, rows > 0, content.num_rows[name]) for name, rows in named.items()}
    return {"id": _shares(tracks[:, np.newaxis], is_heard, len(content)), **shares}


def bag_of(shares: csr_matrix) -> Bag:
    """Find the distinct rows."""
    # a sort of both together is faster than a stable argsort
    named = np.sort(shares.indices.astype(np.int64) << 32 | np.arange(shares.nnz))
    rows, order = (named >> 32).astype(np.int32), named & 0xFFFFFFFF
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    track = np.repeat(np.arange(shares.shape[0], dtype=np.int32), np.diff(shares.indptr))
    ends = np.append(starts, len(order)).astype(np.int32)
    turned = csr_matrix((shares.data[order], track[order], ends), shape=(len(starts), shares.shape[0]))
    return Bag(shares, rows[starts], turned)


def read_tables(tables: Mapping[str, EmbeddingTable], shares: Mapping[str, csr_matrix]) -> dict[str, np.ndarray]:
    """What is each track's own, and what the tables say of its content: float32 [M, D]."""
    named = tables["artist"].read(shares["artist"])
    for name in ("genre", "word"):
        named += tables[name].read(shares[name])
    return {"own": tables["id"].read(shares["id"]), "named": named}


def move_tables(
    tables: Mapping[str, EmbeddingTable],
    bags: Mapping[str, Bag],
    gradient: Mapping[str, np.ndarray],
    learning_rate: float,
    workers: Executor,
) -> None:
    """Take a step against the gradients of what read_tables() returned; no row is in two blocks."""
    running = []
    for name, table in tables.items():
        slope = bags[name].turned @ gradient["own" if name == "id" else "named"]
        for start in range(0, len(slope), _ROWS_PER_BLOCK):
            block = slice(start, start + _ROWS_PER_BLOCK)
            running.append(workers.submit(table.move, bags[name].rows[block], slope[block], learning_rate))
    for moved in running:
        moved.result()


def _shares(rows: np.ndarray, is_there: np.ndarray, num_rows: int) -> csr_matrix:
    """The same share 1 / L of each of the rows [M, L] that is there."""
    named = rows[is_there].astype(np.int32)
    ends = np.append(0, np.cumsum(is_there.sum(axis=1))).astype(np.int32)
    share = np.full(len(named), 1 / rows.shape[1], dtype=np.float32)
    return csr_matrix((share, named, ends), shape=(len(rows), num_rows))
