"""The tracks nearest to each user's vector: exactly, by blocks of products; in larger catalogues through an index."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

USERS_PER_BLOCK = 128
# The last bit of a product depends on the place in its block: so many more are found, and put in order pair by pair.
MARGIN = 16
TRACKS_PER_BLOCK = 32_768
# To guess from so few columns of a block above which score a user's best tracks lie, with this much room.
SAMPLE_STRIDE, SAMPLE_ROOM, SAMPLE_RANK = 8, 2.0, 12
# Above this many tracks the index is used (tests/benchmarks/candidates/retrieval.py compares both).
EXACT_TRACKS = 1_000_000
# Matches held for each user before the worst are let go, in multiples of k.
MOST_HELD = 8
LOWEST = np.finfo(np.float32).min
INDEX_FILE = "index.faiss"
CELLS_PER_ROOT, PROBED_SHARE = 4, 0.04
TRAINING_PER_CELL = 40
# An index knows no bonus: of so many times as many tracks those are kept that stand first with it.
BONUS_ROOM = 3


class Found(NamedTuple):
    """Matches: place of the user, code of the track, cosine and bonus; by user, then best first, ties by code."""

    user: np.ndarray
    track: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Terms:
    """On what terms tracks are found.

    user, track: int [P], by user: single pairs that may not be found. withheld: bool [N], for nobody; None: none.
    bonus: float32 [N], added to a track's product with everyone; None: nothing.
    """

    user: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    track: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    withheld: np.ndarray | None = None
    bonus: np.ndarray | None = None

    def with_bonus(self, found: Found) -> Found:
        """The same matches, in the same order, the bonus added to their scores."""
        return found if self.bonus is None else found._replace(score=found.score + self.bonus[found.track])


def find_exactly(users: np.ndarray, tracks: np.ndarray, k: int, terms: Terms) -> Found:
    """The k tracks [N, D] of highest product with each user [U, D], fewer where fewer may be found."""
    if terms.withheld is not None and terms.withheld.mean() > 0.5:
        return _find_among(np.flatnonzero(~terms.withheld), users, tracks, k, terms)
    found = partial(_found, users, tracks, k, terms)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return _joined(list(threads.map(found, range(0, len(users), USERS_PER_BLOCK))))


def _found(users: np.ndarray, tracks: np.ndarray, k: int, terms: Terms, start: int) -> Found:
    """The block of users from `start` on, in order to the last bit."""
    low, high = np.searchsorted(terms.user, [start, start + USERS_PER_BLOCK])
    mine = replace(terms, user=terms.user[low:high] - start, track=terms.track[low:high])
    block = users[start : start + USERS_PER_BLOCK]
    user, track, _ = _find_block(block, tracks, k + MARGIN, mine)
    by_code = np.argsort(user << 32 | track)
    user, track = user[by_code], track[by_code]
    scored = terms.with_bonus(Found(user, track, products(block[user], tracks[track])))
    user, track, score = _first(scored, k)
    return Found(user + start, track, score)


def _find_among(allowed: np.ndarray, users: np.ndarray, tracks: np.ndarray, k: int, terms: Terms) -> Found:
    """Search a few of the tracks, by their codes."""
    place = np.full(len(tracks), -1, dtype=np.int64)
    place[allowed] = np.arange(len(allowed))
    is_allowed = place[terms.track] >= 0
    bonus = None if terms.bonus is None else terms.bonus[allowed]
    among = Terms(terms.user[is_allowed], place[terms.track[is_allowed]], bonus=bonus)
    user, track, score = find_exactly(users, tracks[allowed], k, among)
    return Found(user, allowed[track], score)


def products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Row by row products of [P, D] and [P, D]: float32 [P]; a pair's does not depend on the others."""
    return np.asarray(np.einsum("pd,pd->p", left, right))


def _find_block(users: np.ndarray, tracks: np.ndarray, k: int, terms: Terms) -> Found:
    """One block; scores below a guessed floor are not looked at, and the guess is checked."""
    full = np.zeros((USERS_PER_BLOCK, users.shape[1]), dtype=np.float32)
    full[: len(users)] = users
    for is_guessed in (True, False):
        best = _above_floor(full, tracks, k, terms, is_guessed)
        count = np.bincount(best.user, minlength=USERS_PER_BLOCK)[: len(users)]
        if not is_guessed or (count >= min(k, len(tracks))).all():
            break
    is_user = best.user < len(users)
    return Found(*(values[is_user] for values in best))


def _above_floor(full: np.ndarray, tracks: np.ndarray, k: int, terms: Terms, is_guessed: bool) -> Found:
    """The k best of each user as far as they lie above the floor, which rises when many are held."""
    # what is excluded has -inf, and lies below
    floor = np.full(USERS_PER_BLOCK, LOWEST, dtype=np.float32)
    held: list[Found] = []
    for start in range(0, len(tracks), TRACKS_PER_BLOCK):
        scores = _scores(full, tracks, start, terms)
        if start == 0 and is_guessed:
            floor = _guess(scores, k, len(tracks))
        place = np.flatnonzero(scores >= floor[:, None])
        row, column = np.divmod(place, scores.shape[1])
        held.append(Found(row, column + start, scores.ravel()[place]))
        if sum(len(found.user) for found in held) > MOST_HELD * k * USERS_PER_BLOCK:
            held = [_first(_joined(held), k)]
            floor = _raised(floor, held[0], k)
    return _first(_joined(held), k)


def _raised(floor: np.ndarray, best: Found, k: int) -> np.ndarray:
    """The score of each user's last, where there are k."""
    count = np.bincount(best.user, minlength=USERS_PER_BLOCK)
    is_full = count >= k
    last = np.where(is_full, np.cumsum(count) - 1, 0)
    return np.where(is_full, best.score[last], floor)


def _joined(parts: list[Found]) -> Found:
    nothing = Found(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    return Found(*(np.concatenate(columns) for columns in zip(nothing, *parts, strict=True)))


def _scores(full: np.ndarray, tracks: np.ndarray, start: int, terms: Terms) -> np.ndarray:
    block = tracks[start : start + TRACKS_PER_BLOCK]
    scores: np.ndarray = full @ block.T
    if terms.bonus is not None:
        scores += terms.bonus[start : start + TRACKS_PER_BLOCK]
    if terms.withheld is not None:
        scores[:, terms.withheld[start : start + TRACKS_PER_BLOCK]] = -np.inf
    is_here = (terms.track >= start) & (terms.track < start + TRACKS_PER_BLOCK)
    scores[terms.user[is_here], terms.track[is_here] - start] = -np.inf
    return scores


def _guess(scores: np.ndarray, k: int, num_tracks: int) -> np.ndarray:
    """A score that about twice k of all tracks reach, from a sample of the first block's columns: float32 [B]."""
    sample = scores[:, ::SAMPLE_STRIDE]
    rank = int(max(SAMPLE_RANK, SAMPLE_ROOM * k * sample.shape[1] / num_tracks))
    if rank >= sample.shape[1]:
        return np.full(len(scores), LOWEST, dtype=np.float32)
    place = sample.shape[1] - 1 - rank
    return np.asarray(np.maximum(np.partition(sample, place, axis=1)[:, place], LOWEST))


def _first(found: Found, k: int) -> Found:
    """The k best of each of USERS_PER_BLOCK users; ties by place, and so by code: a user's matches come in that order.

    One sort of integers: 7 bits of user, 32 of score, 25 of place.
    """
    bits = found.score.view(np.uint32)
    # bits of floats, turned so that they sort as the floats do, the highest first
    falling = np.where(bits >> np.uint32(31), bits, ~bits & np.uint32(0x7FFFFFFF)).astype(np.uint64)
    key = found.user.astype(np.uint64) << np.uint64(57) | falling << np.uint64(25)
    order = np.sort(key | np.arange(len(key), dtype=np.uint64)) & np.uint64((1 << 25) - 1)
    return _head(Found(*(values[order.astype(np.int64)] for values in found)), k)


def _head(found: Found, k: int) -> Found:
    """The first k of each user."""
    is_kept = np.arange(len(found.user)) - np.searchsorted(found.user, found.user) < k
    return Found(*(values[is_kept] for values in found))


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


def find_by_index(
    index: Any,
    users: np.ndarray,
    k: int,
    terms: Terms,
    probed: float = PROBED_SHARE,
) -> Found:
    """As find_exactly(), but only in the share `probed` of the cells, those nearest to each user.

    A bonus puts those in order that are found without it, BONUS_ROOM times as many.
    """
    import faiss

    most_excluded = int(np.bincount(terms.user, minlength=1).max(initial=0))
    asked: dict[str, Any] = {"nprobe": max(1, int(index.nlist * probed))}
    if terms.withheld is not None:
        bits = np.packbits(~terms.withheld, bitorder="little")
        asked["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
    parameters = faiss.SearchParametersIVF(**asked)
    wanted = k if terms.bonus is None else BONUS_ROOM * k
    score, track = index.search(np.ascontiguousarray(users), wanted + min(most_excluded, 4 * wanted), params=parameters)
    user, place = np.nonzero(track >= 0)
    found = Found(user, track[user, place], score[user, place])
    is_kept = ~np.isin(_keys(found.user, found.track), _keys(terms.user, terms.track))
    found = terms.with_bonus(Found(*(values[is_kept] for values in found)))
    # the library gives the best first, but for a bonus
    order = np.lexsort((found.track, -found.score, found.user)) if terms.bonus is not None else slice(None)
    return _head(Found(*(values[order] for values in found)), k)


def _keys(user: np.ndarray, track: np.ndarray) -> np.ndarray:
    return np.asarray(user.astype(np.int64) << 32 | track.astype(np.int64))
