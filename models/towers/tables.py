"""The embedding tables of the track tower: rows are looked up and updated by Adagrad, as sparse products.

words of M tracks            shares [M, R]            read: shares @ table            -> [M, D], for TensorFlow
  0: 7 3                       row    3 . 7           update: shares' @ gradient [M, D] -> [U, D], of the distinct
  1: 3                         0:    .5 . .5                rows that the tracks use
                               1:    .5 . .

The tables are outside TensorFlow, which sees only the rows of a batch: its sparse Adagrad takes twice as long as this
one, and a second copy of a table with four million tracks would take a gigabyte.
"""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from models.towers.contract import TrackContent

# Initial sum of squared gradients. It is small, as gradients of a mean loss are, and bounds the first steps of a row.
INITIAL_SQUARES = 1.1e-7
_ROWS_PER_BLOCK = 1024  # updated at a time by a thread, so that intermediate results stay in its cache


@dataclass(frozen=True)
class Bag:
    """The rows of a table that M tracks use.

    shares: sparse [M, R]. rows: int32 [U], the distinct rows. transposed: sparse [U, M], the shares by distinct row.
    """

    shares: csr_matrix
    rows: np.ndarray
    transposed: csr_matrix


@dataclass(frozen=True)
class EmbeddingTable:
    """Embeddings and the sums of their squared gradients (Adagrad: Duchi et al., JMLR 2011): float32 [R, D]."""

    weights: np.ndarray
    squares: np.ndarray

    def read(self, shares: csr_matrix) -> np.ndarray:
        """Sum the rows of M tracks by their shares [M, R]: float32 [M, D]."""
        return np.asarray(shares @ self.weights)

    def update(self, rows: np.ndarray, gradient: np.ndarray, learning_rate: float) -> None:
        """Take a step of Adagrad against the gradient [U, D] of the distinct rows [U]."""
        squares = np.take(self.squares, rows, axis=0)
        squares += gradient * gradient
        self.squares[rows] = squares
        step = np.divide(gradient, np.sqrt(squares, out=squares), out=squares)
        step *= np.float32(learning_rate)
        updated = np.take(self.weights, rows, axis=0)
        updated -= step
        self.weights[rows] = updated


def table_shares(content: TrackContent, tracks: np.ndarray) -> dict[str, csr_matrix]:
    """Return the shares of track codes [M] in each table, by its name: sparse [M, R].

    Unknown content has no share; neither has the id of a track that nobody played.
    """
    is_played = content.num_plays[tracks, np.newaxis] > 0
    named = {
        "artist": content.artist[tracks, np.newaxis],
        "genre": content.genres[tracks],
        "word": content.words[tracks],
    }
    shares = {name: _shares(rows, rows > 0, content.num_rows[name]) for name, rows in named.items()}
    return {"id": _shares(tracks[:, np.newaxis], is_played, len(content)), **shares}


def make_bag(shares: csr_matrix) -> Bag:
    """Find the distinct rows of shares [M, R]."""
    # a sort of both together is faster than a stable argsort
    named = np.sort(shares.indices.astype(np.int64) << 32 | np.arange(shares.nnz))
    rows, order = (named >> 32).astype(np.int32), named & 0xFFFFFFFF
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    track = np.repeat(np.arange(shares.shape[0], dtype=np.int32), np.diff(shares.indptr))
    ends = np.append(starts, len(order)).astype(np.int32)
    transposed = csr_matrix((shares.data[order], track[order], ends), shape=(len(starts), shares.shape[0]))
    return Bag(shares, rows[starts], transposed)


def read_tables(tables: Mapping[str, EmbeddingTable], shares: Mapping[str, csr_matrix]) -> dict[str, np.ndarray]:
    """Return the embedding of each track's id ("own") and the sum of those of its content ("named"): float32 [M, D]."""
    named = tables["artist"].read(shares["artist"])
    for name in ("genre", "word"):
        named += tables[name].read(shares[name])
    return {"own": tables["id"].read(shares["id"]), "named": named}


def update_tables(
    tables: Mapping[str, EmbeddingTable],
    bags: Mapping[str, Bag],
    gradient: Mapping[str, np.ndarray],
    learning_rate: float,
    workers: Executor,
) -> None:
    """Take a step against the gradients of the results of read_tables(); no row is in two blocks."""
    running = []
    for name, table in tables.items():
        of_rows = bags[name].transposed @ gradient["own" if name == "id" else "named"]
        for start in range(0, len(of_rows), _ROWS_PER_BLOCK):
            block = slice(start, start + _ROWS_PER_BLOCK)
            running.append(workers.submit(table.update, bags[name].rows[block], of_rows[block], learning_rate))
    for update in running:
        update.result()


def _shares(rows: np.ndarray, is_there: np.ndarray, num_rows: int) -> csr_matrix:
    """Give each row of rows [M, L] that is there the same share 1 / L: sparse [M, num_rows]."""
    named = rows[is_there].astype(np.int32)
    ends = np.append(0, np.cumsum(is_there.sum(axis=1))).astype(np.int32)
    share = np.full(len(named), 1 / rows.shape[1], dtype=np.float32)
    return csr_matrix((share, named, ends), shape=(len(rows), num_rows))
