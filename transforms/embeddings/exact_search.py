"""The tracks nearest to each user's vector: exactly, by blocks of products; in larger catalogues through an index."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from transforms.tables.groups import descending_bits, rank_in_run

_QUERIES_PER_BLOCK = 128
# The last bit of a product depends on the place in its block: so many more are found, and put in order pair by pair.
_MARGIN = 16
_ITEMS_PER_BLOCK = 32_768
# To guess from so few columns of a block above which score a user's best tracks lie, with this much room.
_SAMPLE_STRIDE, _SAMPLE_ROOM, _SAMPLE_RANK = 8, 2.0, 12
# Above this many tracks the index is used (tests/benchmarks/candidates/retrieval.py compares both).
MAX_EXACT_ITEMS = 1_000_000
# Matches held for each user before the worst are let go, in multiples of k.
_MAX_HELD = 8
_LOWEST = np.finfo(np.float32).min
_INDEX_FILE = "index.faiss"
_CELLS_PER_ROOT, _PROBED_SHARE = 4, 0.04
_TRAINING_PER_CELL = 40
# An index knows no bonus: of so many times as many tracks those are kept that stand first with it.
_BIAS_ROOM = 3


class Matches(NamedTuple):
    """Matches: place of the user, code of the track, cosine and bonus; by user, then best first, ties by code."""

    user: np.ndarray
    track: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class SearchFilter:
    """On what terms tracks are found.

    user, track: int [P], by user: single pairs that may not be found. withheld: bool [N], for nobody; None: none.
    bonus: float32 [N], added to a track's product with everyone; None: nothing.
    """

    user: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    track: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    excluded: np.ndarray | None = None
    item_bias: np.ndarray | None = None

    def with_bias(self, found: Matches) -> Matches:
        """The same matches, in the same order, the bonus added to their scores."""
        return found if self.item_bias is None else found._replace(score=found.score + self.item_bias[found.track])


def find_exactly(users: np.ndarray, tracks: np.ndarray, k: int, search_filter: SearchFilter) -> Matches:
    """The k tracks [N, D] of highest product with each user [U, D], fewer where fewer may be found."""
    if search_filter.excluded is not None and search_filter.excluded.mean() > 0.5:
        return _find_among(np.flatnonzero(~search_filter.excluded), users, tracks, k, search_filter)
    found = partial(_found, users, tracks, k, search_filter)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return _joined(list(threads.map(found, range(0, len(users), _QUERIES_PER_BLOCK))))


def _found(users: np.ndarray, tracks: np.ndarray, k: int, search_filter: SearchFilter, start: int) -> Matches:
    """The block of users from `start` on, in order to the last bit."""
    low, high = np.searchsorted(search_filter.user, [start, start + _QUERIES_PER_BLOCK])
    mine = replace(search_filter, user=search_filter.user[low:high] - start, track=search_filter.track[low:high])
    block = users[start : start + _QUERIES_PER_BLOCK]
    user, track, _ = _find_block(block, tracks, k + _MARGIN, mine)
    by_code = np.argsort(user << 32 | track)
    user, track = user[by_code], track[by_code]
    scored = search_filter.with_bias(Matches(user, track, row_products(block[user], tracks[track])))
    user, track, score = _first(scored, k)
    return Matches(user + start, track, score)


def _find_among(
    allowed: np.ndarray, users: np.ndarray, tracks: np.ndarray, k: int, search_filter: SearchFilter
) -> Matches:
    """Search a few of the tracks, by their codes."""
    place = np.full(len(tracks), -1, dtype=np.int64)
    place[allowed] = np.arange(len(allowed))
    is_allowed = place[search_filter.track] >= 0
    item_bias = None if search_filter.item_bias is None else search_filter.item_bias[allowed]
    among = SearchFilter(search_filter.user[is_allowed], place[search_filter.track[is_allowed]], item_bias=item_bias)
    user, track, score = find_exactly(users, tracks[allowed], k, among)
    return Matches(user, allowed[track], score)


def row_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Row by row products of [P, D] and [P, D]: float32 [P]; a pair's does not depend on the others."""
    return np.asarray(np.einsum("pd,pd->p", left, right))


def _find_block(users: np.ndarray, tracks: np.ndarray, k: int, search_filter: SearchFilter) -> Matches:
    """One block; scores below a guessed floor are not looked at, and the guess is checked."""
    full = np.zeros((_QUERIES_PER_BLOCK, users.shape[1]), dtype=np.float32)
    full[: len(users)] = users
    for is_guessed in (True, False):
        best = _above_floor(full, tracks, k, search_filter, is_guessed)
        count = np.bincount(best.user, minlength=_QUERIES_PER_BLOCK)[: len(users)]
        if not is_guessed or (count >= min(k, len(tracks))).all():
            break
    is_user = best.user < len(users)
    return Matches(*(values[is_user] for values in best))


def _above_floor(
    full: np.ndarray, tracks: np.ndarray, k: int, search_filter: SearchFilter, is_guessed: bool
) -> Matches:
    """The k best of each user as far as they lie above the floor, which rises when many are held."""
    # what is excluded has -inf, and lies below
    floor = np.full(_QUERIES_PER_BLOCK, _LOWEST, dtype=np.float32)
    held: list[Matches] = []
    for start in range(0, len(tracks), _ITEMS_PER_BLOCK):
        scores = _scores(full, tracks, start, search_filter)
        if start == 0 and is_guessed:
            floor = _guess(scores, k, len(tracks))
        place = np.flatnonzero(scores >= floor[:, None])
        row, column = np.divmod(place, scores.shape[1])
        held.append(Matches(row, column + start, scores.ravel()[place]))
        if sum(len(found.user) for found in held) > _MAX_HELD * k * _QUERIES_PER_BLOCK:
            held = [_first(_joined(held), k)]
            floor = _raised(floor, held[0], k)
    return _first(_joined(held), k)


def _raised(floor: np.ndarray, best: Matches, k: int) -> np.ndarray:
    """The score of each user's last, where there are k."""
    count = np.bincount(best.user, minlength=_QUERIES_PER_BLOCK)
    is_full = count >= k
    last = np.where(is_full, np.cumsum(count) - 1, 0)
    return np.where(is_full, best.score[last], floor)


def _joined(parts: list[Matches]) -> Matches:
    nothing = Matches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    return Matches(*(np.concatenate(columns) for columns in zip(nothing, *parts, strict=True)))


def _scores(full: np.ndarray, tracks: np.ndarray, start: int, search_filter: SearchFilter) -> np.ndarray:
    block = tracks[start : start + _ITEMS_PER_BLOCK]
    scores: np.ndarray = full @ block.T
    if search_filter.item_bias is not None:
        scores += search_filter.item_bias[start : start + _ITEMS_PER_BLOCK]
    if search_filter.excluded is not None:
        scores[:, search_filter.excluded[start : start + _ITEMS_PER_BLOCK]] = -np.inf
    is_here = (search_filter.track >= start) & (search_filter.track < start + _ITEMS_PER_BLOCK)
    scores[search_filter.user[is_here], search_filter.track[is_here] - start] = -np.inf
    return scores


def _guess(scores: np.ndarray, k: int, num_tracks: int) -> np.ndarray:
    """A score that about twice k of all tracks reach, from a sample of the first block's columns: float32 [B]."""
    sample = scores[:, ::_SAMPLE_STRIDE]
    rank = int(max(_SAMPLE_RANK, _SAMPLE_ROOM * k * sample.shape[1] / num_tracks))
    if rank >= sample.shape[1]:
        return np.full(len(scores), _LOWEST, dtype=np.float32)
    place = sample.shape[1] - 1 - rank
    return np.asarray(np.maximum(np.partition(sample, place, axis=1)[:, place], _LOWEST))


def _first(found: Matches, k: int) -> Matches:
    """The k best of each of USERS_PER_BLOCK users; ties by place, and so by code: a user's matches come in that order.

    One sort of integers: 7 bits of user, 32 of score, 25 of place.
    """
    bits = descending_bits(found.score).astype(np.uint64)
    key = found.user.astype(np.uint64) << np.uint64(57) | bits << np.uint64(25)
    order = np.sort(key | np.arange(len(key), dtype=np.uint64)) & np.uint64((1 << 25) - 1)
    return _head(Matches(*(values[order.astype(np.int64)] for values in found)), k)


def _head(found: Matches, k: int) -> Matches:
    """The first k of each user."""
    is_kept = rank_in_run(found.user) < k
    return Matches(*(values[is_kept] for values in found))


def build_index(tracks: np.ndarray) -> Any:
    """An inverted file over the vectors (Jégou et al., PAMI 2011; library faiss): k-means cells, searched whole."""
    import faiss

    cells = int(_CELLS_PER_ROOT * np.sqrt(len(tracks)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(tracks.shape[1]), tracks.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid = _TRAINING_PER_CELL
    index.cp.seed = 1
    index.train(tracks)
    index.add(tracks)
    return index


def write_index(directory: Path, tracks: np.ndarray) -> None:
    """Write the index of a catalogue that is too large to be searched exactly."""
    import faiss

    if len(tracks) > MAX_EXACT_ITEMS:
        faiss.write_index(build_index(tracks), str(directory / _INDEX_FILE))


def open_index(directory: Path) -> Any | None:
    """Open what write_index() wrote, if it did."""
    path = directory / _INDEX_FILE
    if not path.exists():
        return None
    import faiss

    return faiss.read_index(str(path))


def find_by_index(
    index: Any,
    users: np.ndarray,
    k: int,
    search_filter: SearchFilter,
    probed: float = _PROBED_SHARE,
) -> Matches:
    """As find_exactly(), but only in the share `probed` of the cells, those nearest to each user.

    A bonus puts those in order that are found without it, BONUS_ROOM times as many.
    """
    import faiss

    most_excluded = int(np.bincount(search_filter.user, minlength=1).max(initial=0))
    asked: dict[str, Any] = {"nprobe": max(1, int(index.nlist * probed))}
    if search_filter.excluded is not None:
        bits = np.packbits(~search_filter.excluded, bitorder="little")
        asked["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
    parameters = faiss.SearchParametersIVF(**asked)
    wanted = k if search_filter.item_bias is None else _BIAS_ROOM * k
    score, track = index.search(np.ascontiguousarray(users), wanted + min(most_excluded, 4 * wanted), params=parameters)
    user, place = np.nonzero(track >= 0)
    found = Matches(user, track[user, place], score[user, place])
    is_kept = ~np.isin(_keys(found.user, found.track), _keys(search_filter.user, search_filter.track))
    found = search_filter.with_bias(Matches(*(values[is_kept] for values in found)))
    # the library gives the best first, but for a bonus
    order = np.lexsort((found.track, -found.score, found.user)) if search_filter.item_bias is not None else slice(None)
    return _head(Matches(*(values[order] for values in found)), k)


def _keys(user: np.ndarray, track: np.ndarray) -> np.ndarray:
    return np.asarray(user.astype(np.int64) << 32 | track.astype(np.int64))
