"""The tracks nearest to each user's vector: exactly, by blocks of products; in larger catalogues through an index."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

USERS_PER_BLOCK = 128
# The last bit of a product depends on the place in its block: so many more are found, and put in order pair by pair.
MARGIN = 16
TRACKS_PER_BLOCK = 32_768
# To guess from so few columns of a block above which score a user's best tracks lie, with this much room.
SAMPLE_STRIDE, SAMPLE_ROOM, SAMPLE_RANK = 8, 2.0, 12
# Above this many tracks the index is used (docs/benchmarks_candidates.md).
EXACT_TRACKS = 300_000
INDEX_FILE = "index.faiss"
CELLS_PER_ROOT, PROBED_SHARE = 4, 0.04
TRAINING_PER_CELL = 40


class Found(NamedTuple):
    """Matches: place of the user, code of the track, cosine; by user, then best first, ties by code."""

    user: np.ndarray
    track: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Excluded:
    """What may not be found: single pairs (int [P], by user), and tracks for everyone (bool [N]; None: none)."""

    user: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    track: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    everywhere: np.ndarray | None = None


def find_exactly(users: np.ndarray, tracks: np.ndarray, k: int, excluded: Excluded) -> Found:
    """The k tracks [N, D] of highest product with each user [U, D], fewer where fewer may be found."""
    parts = []
    for start in range(0, len(users), USERS_PER_BLOCK):
        low, high = np.searchsorted(excluded.user, [start, start + USERS_PER_BLOCK])
        pairs = Excluded(excluded.user[low:high] - start, excluded.track[low:high], excluded.everywhere)
        block = users[start : start + USERS_PER_BLOCK]
        user, track, _ = _find_block(block, tracks, k + MARGIN, pairs)
        score = products(block[user], tracks[track])
        user, track, score = _first(Found(user, track, score), k)
        parts.append((user + start, track, score))
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    return Found(*(np.concatenate(columns) for columns in zip(nothing, *parts, strict=True)))


def products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Row by row products of [P, D] and [P, D]: float32 [P]; a pair's does not depend on the others."""
    return np.asarray(np.einsum("pd,pd->p", left, right))


def _find_block(users: np.ndarray, tracks: np.ndarray, k: int, excluded: Excluded) -> Found:
    """One block; scores below a guessed floor are not looked at, and the guess is checked."""
    full = np.zeros((USERS_PER_BLOCK, users.shape[1]), dtype=np.float32)
    full[: len(users)] = users
    for guessed in (True, False):
        floor = np.full(USERS_PER_BLOCK, -np.inf, dtype=np.float32)
        best = Found(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        for start in range(0, len(tracks), TRACKS_PER_BLOCK):
            scores = _scores(full, tracks, start, excluded)
            if start == 0 and guessed:
                floor = _guess(scores, k, len(tracks))
            row, column = np.nonzero((scores >= floor[:, None]) & (scores > -np.inf))
            found = (row, column + start, scores[row, column])
            best = _first(Found(*(np.concatenate(pair) for pair in zip(best, found, strict=True))), k)
            count = np.bincount(best.user, minlength=USERS_PER_BLOCK)
            is_full = count >= k
            last = np.cumsum(count) - 1
            floor = np.where(is_full, best.score[np.where(is_full, last, 0)] if len(best.score) else 0, floor)
        if (
            not guessed
            or (np.bincount(best.user, minlength=USERS_PER_BLOCK) >= min(k, len(tracks)))[: len(users)].all()
        ):
            break
    is_user = best.user < len(users)
    return Found(*(values[is_user] for values in best))


def _scores(full: np.ndarray, tracks: np.ndarray, start: int, excluded: Excluded) -> np.ndarray:
    block = tracks[start : start + TRACKS_PER_BLOCK]
    scores: np.ndarray = full @ block.T
    if excluded.everywhere is not None:
        scores[:, excluded.everywhere[start : start + TRACKS_PER_BLOCK]] = -np.inf
    is_here = (excluded.track >= start) & (excluded.track < start + TRACKS_PER_BLOCK)
    scores[excluded.user[is_here], excluded.track[is_here] - start] = -np.inf
    return scores


def _guess(scores: np.ndarray, k: int, num_tracks: int) -> np.ndarray:
    """A score that about twice k of all tracks reach, from a sample of the first block's columns: float32 [B]."""
    sample = scores[:, ::SAMPLE_STRIDE]
    rank = int(max(SAMPLE_RANK, SAMPLE_ROOM * k * sample.shape[1] / num_tracks))
    if rank >= sample.shape[1]:
        return np.full(len(scores), -np.inf, dtype=np.float32)
    place = sample.shape[1] - 1 - rank
    return np.asarray(np.partition(sample, place, axis=1)[:, place])


def _first(found: Found, k: int) -> Found:
    """The k best of each user; ties by code."""
    order = np.lexsort((found.track, -found.score, found.user))
    user = found.user[order]
    kept = order[np.arange(len(order)) - np.searchsorted(user, user) < k]
    return Found(found.user[kept], found.track[kept], found.score[kept])


def build_index(tracks: np.ndarray) -> Any:
    """An inverted file over the vectors (Jégou et al., PAMI 2011; library faiss): k-means cells, searched whole."""
    import faiss

    cells = int(CELLS_PER_ROOT * np.sqrt(len(tracks)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(tracks.shape[1]), tracks.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid = TRAINING_PER_CELL
    index.cp.seed = 1
    index.train(tracks)
    index.add(tracks)
    return index


def write_index(directory: Path, tracks: np.ndarray) -> None:
    """Write the index of a catalogue that is too large to be searched exactly."""
    import faiss

    if len(tracks) > EXACT_TRACKS:
        faiss.write_index(build_index(tracks), str(directory / INDEX_FILE))


def open_index(directory: Path) -> Any | None:
    """Open what write_index() wrote, if it did."""
    path = directory / INDEX_FILE
    if not path.exists():
        return None
    import faiss

    return faiss.read_index(str(path))


def find_by_index(index: Any, users: np.ndarray, k: int, excluded: Excluded) -> Found:
    """As find_exactly(), but only in the cells nearest to each user."""
    import faiss

    most_excluded = int(np.bincount(excluded.user, minlength=1).max(initial=0))
    asked: dict[str, Any] = {"nprobe": max(1, int(index.nlist * PROBED_SHARE))}
    if excluded.everywhere is not None:
        bits = np.packbits(~excluded.everywhere, bitorder="little")
        asked["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
    parameters = faiss.SearchParametersIVF(**asked)
    score, track = index.search(np.ascontiguousarray(users), k + min(most_excluded, 4 * k), params=parameters)
    user, place = np.nonzero(track >= 0)
    found = Found(user, track[user, place], score[user, place])
    is_kept = ~np.isin(_keys(found.user, found.track), _keys(excluded.user, excluded.track))
    return _first(Found(*(values[is_kept] for values in found)), k)


def _keys(user: np.ndarray, track: np.ndarray) -> np.ndarray:
    return np.asarray(user.astype(np.int64) << 32 | track.astype(np.int64))
