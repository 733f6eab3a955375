"""Baselines of sessions: tracks that share sessions (item-kNN), and sessions that share tracks (V-SKNN)."""

import numpy as np
from scipy.sparse import csr_matrix, diags

from models.baselines.sparse_rows import as_arrays, from_arrays
from models.next_track.contract import (
    Cases,
    NextTrackArrays,
    NextTrackBaseline,
    NextTrackParameters,
    PlayLog,
    dense_scores,
    recent_rows,
)

_RECENT_PLAYS = 20  # plays before a case that find neighbours
_SESSIONS_PER_TRACK = 1_000  # latest sessions of a track among which neighbours are looked for


def session_rows(log: PlayLog) -> csr_matrix:
    """Mark the tracks of each session: float64 [S, T] of ones."""
    shape = (int(log.session[-1]) + 1 if len(log) else 0, log.num_tracks)
    rows = csr_matrix((np.ones(len(log)), (log.session, log.track)), shape=shape)
    rows.data[:] = 1.0
    return rows


def _fit_item_neighbours(log: PlayLog, now: float, parameters: NextTrackParameters) -> NextTrackArrays:
    """Compute the cosine of the sessions of every two tracks, with the other's count to a power of its own."""
    rows = session_rows(log)
    together = (rows.T @ rows).tocsr()
    count = np.maximum(np.asarray(rows.sum(axis=0)).ravel(), 1.0)
    together.setdiag(0)
    similar = diags(count**-0.5) @ together @ diags(count ** -parameters["popularity_power"])
    similar.eliminate_zeros()
    return as_arrays(similar.tocsr().astype(np.float32))


def _score_item_neighbours(cases: Cases, learned: NextTrackArrays, parameters: NextTrackParameters) -> np.ndarray:
    """Sum the similarities to the user's last plays, the newest with the highest weight."""
    rows = recent_rows(cases, _RECENT_PLAYS, parameters["decay"])
    return dense_scores(rows @ from_arrays(learned, cases.log.num_tracks))


def _fit_sessions(log: PlayLog, now: float, parameters: NextTrackParameters) -> NextTrackArrays:
    """Keep the sessions, the latest first, and the latest sessions of each track."""
    rows = session_rows(log)
    ends = np.zeros(rows.shape[0])
    np.maximum.at(ends, log.session, log.seconds)
    sessions = rows[np.lexsort((np.arange(len(ends)), -ends))]
    parts = {"tracks_of": sessions, "sessions_of": _first_per_row(sessions.T.tocsr(), _SESSIONS_PER_TRACK)}
    arrays = {part: as_arrays(matrix.astype(np.float32)) for part, matrix in parts.items()}
    return {f"{part}.{name}": array for part, named in arrays.items() for name, array in named.items()}


def _score_sessions(cases: Cases, learned: NextTrackArrays, parameters: NextTrackParameters) -> np.ndarray:
    """Weigh each track by the similarity of the neighbour sessions that hold it.

    A session's similarity is the summed weight of the user's last plays in it; the `num_sessions` best ones count.
    """
    num_sessions = len(learned["tracks_of.indptr"]) - 1
    tracks_of, sessions_of = (
        from_arrays({name: learned[f"{part}.{name}"] for name in ("data", "indices", "indptr")}, width)
        for part, width in (("tracks_of", cases.log.num_tracks), ("sessions_of", num_sessions))
    )
    found = recent_rows(cases, _RECENT_PLAYS, parameters["decay"]) @ sessions_of
    return dense_scores(_best_per_row(found.tocsr(), int(parameters["num_sessions"])) @ tracks_of)


def _first_per_row(matrix: csr_matrix, k: int) -> csr_matrix:
    """Keep the k entries of each row with the lowest columns."""
    matrix.sort_indices()
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    return _keep(matrix, np.flatnonzero(place < k))


def _best_per_row(matrix: csr_matrix, k: int) -> csr_matrix:
    """Keep the k largest entries of each row, of equal ones those with the lowest columns."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, row))
    place = np.arange(matrix.nnz) - matrix.indptr[row]
    return _keep(matrix, np.sort(order[place < k]))


def _keep(matrix: csr_matrix, entries: np.ndarray) -> csr_matrix:
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[entries]
    return csr_matrix((matrix.data[entries], (row, matrix.indices[entries])), shape=matrix.shape)


SESSION_ITEM_KNN = NextTrackBaseline(
    name="session_item_knn",
    sentence="tracks that share sessions with the last twenty plays, the newest with the highest weight",
    source="Hidasi et al., ICLR 2016; Ludewig and Jannach, UMUAI 2018",
    grid=tuple({"decay": decay, "popularity_power": power} for decay in (0.8, 0.9) for power in (0.5, 0.2)),
    score=_score_item_neighbours,
    fit=_fit_item_neighbours,
)
VSKNN = NextTrackBaseline(
    name="vsknn",
    sentence="tracks of the sessions that share the most with the last twenty plays",
    source="V-SKNN: Ludewig and Jannach, UMUAI 2018",
    grid=tuple({"num_sessions": k, "decay": decay} for k in (200.0, 500.0) for decay in (0.8, 0.9)),
    score=_score_sessions,
    fit=_fit_sessions,
)
