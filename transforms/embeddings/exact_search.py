"""Exact search: the items of highest product with each query, by blocks of matrix products."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from transforms.tables.groups import descending_bits, rank_in_run

_QUERIES_PER_BLOCK = 128
_ITEMS_PER_BLOCK = 32_768
# The last bit of a product depends on its position in the block. So a few more matches are kept, and all of them are
# scored again pair by pair before the best are chosen.
_MARGIN = 16
# A sample of a block's columns estimates the score that the best matches of a query exceed: every n-th column; how many
# times k matches the score should leave; the minimum rank in the sample.
_SAMPLE_STRIDE, _SAMPLE_ROOM, _MIN_SAMPLE_RANK = 8, 2.0, 12
# Matches held for each query before all but the best k are dropped, in multiples of k.
_MAX_HELD = 8
_LOWEST = np.finfo(np.float32).min


class Matches(NamedTuple):
    """Matches of queries, by query, then best first, then by item: arrays [M].

    query: index of the query. item: index of the item. score: float32, product plus the item's bias.
    """

    query: np.ndarray
    item: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class SearchFilter:
    """Filter and bias of a search.

    query, item: int [P], by query: pairs that are never returned. excluded: bool [N], items that are never returned.
    item_bias: float32 [N], added to the product of every query with the item.
    """

    query: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    item: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    excluded: np.ndarray | None = None
    item_bias: np.ndarray | None = None

    def with_bias(self, found: Matches) -> Matches:
        """Return the matches, in the same order, with the bias added to their scores."""
        return found if self.item_bias is None else found._replace(score=found.score + self.item_bias[found.item])


def find_exactly(queries: np.ndarray, items: np.ndarray, k: int, search_filter: SearchFilter) -> Matches:
    """Return the k of items [N, D] with the highest score for each of queries [U, D]; fewer if the filter leaves fewer.

    The matches of a query are the same bits whatever the other queries are.
    """
    if search_filter.excluded is not None and search_filter.excluded.mean() > 0.5:
        return _find_among(np.flatnonzero(~search_filter.excluded), queries, items, k, search_filter)
    find = partial(_find_block, queries, items, k, search_filter)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return _concatenated(list(threads.map(find, range(0, len(queries), _QUERIES_PER_BLOCK))))


def row_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Compute the product of each row of left [P, D] with the same row of right [P, D]: float32 [P].

    The result for a row does not depend on the other rows.
    """
    return np.asarray(np.einsum("pd,pd->p", left, right))


def first_per_query(found: Matches, k: int) -> Matches:
    """Return the first k matches of each query."""
    is_kept = rank_in_run(found.query) < k
    return Matches(*(values[is_kept] for values in found))


def _find_among(
    allowed: np.ndarray, queries: np.ndarray, items: np.ndarray, k: int, search_filter: SearchFilter
) -> Matches:
    """Search only the items with the indexes `allowed`."""
    index = np.full(len(items), -1, dtype=np.int64)
    index[allowed] = np.arange(len(allowed))
    is_allowed = index[search_filter.item] >= 0
    item_bias = None if search_filter.item_bias is None else search_filter.item_bias[allowed]
    among = SearchFilter(search_filter.query[is_allowed], index[search_filter.item[is_allowed]], item_bias=item_bias)
    query, item, score = find_exactly(queries, items[allowed], k, among)
    return Matches(query, allowed[item], score)


def _find_block(queries: np.ndarray, items: np.ndarray, k: int, search_filter: SearchFilter, start: int) -> Matches:
    """Search for the block of queries from `start` on, and order its matches by scores computed pair by pair."""
    low, high = np.searchsorted(search_filter.query, [start, start + _QUERIES_PER_BLOCK])
    of_block = replace(search_filter, query=search_filter.query[low:high] - start, item=search_filter.item[low:high])
    block = queries[start : start + _QUERIES_PER_BLOCK]
    query, item, _ = _best_of_block(block, items, k + _MARGIN, of_block)
    by_item = np.argsort(query << 32 | item)
    query, item = query[by_item], item[by_item]
    scored = search_filter.with_bias(Matches(query, item, row_products(block[query], items[item])))
    query, item, score = _top_k(scored, k)
    return Matches(query + start, item, score)


def _best_of_block(queries: np.ndarray, items: np.ndarray, k: int, search_filter: SearchFilter) -> Matches:
    """Return the k best matches of each query; the search is repeated without estimate if the estimate was too high."""
    full = np.zeros((_QUERIES_PER_BLOCK, queries.shape[1]), dtype=np.float32)
    full[: len(queries)] = queries
    for is_estimated in (True, False):
        best = _above_floor(full, items, k, search_filter, is_estimated)
        count = np.bincount(best.query, minlength=_QUERIES_PER_BLOCK)[: len(queries)]
        if not is_estimated or (count >= min(k, len(items))).all():
            break
    is_query = best.query < len(queries)
    return Matches(*(values[is_query] for values in best))


def _above_floor(
    full: np.ndarray, items: np.ndarray, k: int, search_filter: SearchFilter, is_estimated: bool
) -> Matches:
    """Return the k best matches of each query that are above its floor; the floor rises when many matches are held."""
    # excluded items score -inf, which is below every floor
    floor = np.full(_QUERIES_PER_BLOCK, _LOWEST, dtype=np.float32)
    held: list[Matches] = []
    for start in range(0, len(items), _ITEMS_PER_BLOCK):
        scores = _scores(full, items, start, search_filter)
        if start == 0 and is_estimated:
            floor = _estimated_floor(scores, k, len(items))
        cell = np.flatnonzero(scores >= floor[:, None])
        row, column = np.divmod(cell, scores.shape[1])
        held.append(Matches(row, column + start, scores.ravel()[cell]))
        if sum(len(found.query) for found in held) > _MAX_HELD * k * _QUERIES_PER_BLOCK:
            held = [_top_k(_concatenated(held), k)]
            floor = _raised_floor(floor, held[0], k)
    return _top_k(_concatenated(held), k)


def _raised_floor(floor: np.ndarray, best: Matches, k: int) -> np.ndarray:
    """Return the score of the last match of each query that has k of them, else its floor."""
    count = np.bincount(best.query, minlength=_QUERIES_PER_BLOCK)
    is_full = count >= k
    last = np.where(is_full, np.cumsum(count) - 1, 0)
    return np.where(is_full, best.score[last], floor)


def _concatenated(parts: list[Matches]) -> Matches:
    empty = Matches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    return Matches(*(np.concatenate(columns) for columns in zip(empty, *parts, strict=True)))


def _scores(full: np.ndarray, items: np.ndarray, start: int, search_filter: SearchFilter) -> np.ndarray:
    """Compute the scores of a block of queries with a block of items: float32 [B, C]; -inf for excluded pairs."""
    block = items[start : start + _ITEMS_PER_BLOCK]
    scores: np.ndarray = full @ block.T
    if search_filter.item_bias is not None:
        scores += search_filter.item_bias[start : start + _ITEMS_PER_BLOCK]
    if search_filter.excluded is not None:
        scores[:, search_filter.excluded[start : start + _ITEMS_PER_BLOCK]] = -np.inf
    is_here = (search_filter.item >= start) & (search_filter.item < start + _ITEMS_PER_BLOCK)
    scores[search_filter.query[is_here], search_filter.item[is_here] - start] = -np.inf
    return scores


def _estimated_floor(scores: np.ndarray, k: int, num_items: int) -> np.ndarray:
    """Estimate the score that about 2 k of all items reach, from a sample of the first block's columns: float32 [B]."""
    sample = scores[:, ::_SAMPLE_STRIDE]
    rank = int(max(_MIN_SAMPLE_RANK, _SAMPLE_ROOM * k * sample.shape[1] / num_items))
    if rank >= sample.shape[1]:
        return np.full(len(scores), _LOWEST, dtype=np.float32)
    column = sample.shape[1] - 1 - rank
    return np.asarray(np.maximum(np.partition(sample, column, axis=1)[:, column], _LOWEST))


def _top_k(found: Matches, k: int) -> Matches:
    """Return the k best matches of each query of a block; equal scores in the order of `found`, which is by item.

    One sort of integers: 7 bits of query, 32 of score, 25 of the row of `found`.
    """
    bits = descending_bits(found.score).astype(np.uint64)
    key = found.query.astype(np.uint64) << np.uint64(57) | bits << np.uint64(25)
    order = np.sort(key | np.arange(len(key), dtype=np.uint64)) & np.uint64((1 << 25) - 1)
    return first_per_query(Matches(*(values[order.astype(np.int64)] for values in found)), k)
