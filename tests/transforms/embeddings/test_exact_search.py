"""Exact search, against sorting the scores of all items."""

import numpy as np
import pytest

from tests.transforms.embeddings.random_search import pairs_of, random_filter, unit_vectors
from transforms.embeddings import exact_search
from transforms.embeddings.exact_search import SearchFilter, find_exactly


def sort_all(queries: np.ndarray, items: np.ndarray, k: int, search_filter: SearchFilter) -> list[tuple[int, int]]:
    scores = np.einsum("qd,nd->qn", queries, items)
    scores = scores if search_filter.item_bias is None else scores + search_filter.item_bias
    scores[search_filter.query, search_filter.item] = -np.inf
    if search_filter.excluded is not None:
        scores[:, search_filter.excluded] = -np.inf
    order = np.lexsort((np.broadcast_to(np.arange(len(items)), scores.shape), -scores), axis=1)[:, :k]
    return [(query, int(n)) for query in range(len(queries)) for n in order[query] if scores[query, n] > -np.inf]


@pytest.mark.parametrize(
    ("num_queries", "num_items", "k"), [(1, 1, 3), (300, 50, 60), (130, 3000, 100), (20, 3000, 2990)]
)
@pytest.mark.parametrize("excluded", [None, 0.3, 0.8])
@pytest.mark.parametrize("with_bias", [False, True])
def test_exact_search_is_a_sort_of_everything(
    num_queries: int,
    num_items: int,
    k: int,
    excluded: float | None,
    with_bias: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exact_search, "_ITEMS_PER_BLOCK", 700)
    queries, items = unit_vectors(num_queries, 16, 1), unit_vectors(num_items, 16, 2)
    item_bias = np.random.default_rng(4).exponential(0.3, num_items).astype(np.float32) if with_bias else None
    search_filter = random_filter(num_queries, num_items, 3, excluded, item_bias)
    found = find_exactly(queries, items, k, search_filter)
    assert pairs_of(found) == sort_all(queries, items, k, search_filter)
    score = np.sum(queries[found.query] * items[found.item], axis=1)
    assert found.score == pytest.approx(score if item_bias is None else score + item_bias[found.item], abs=1e-6)


def test_equal_scores_are_ordered_by_item_and_a_wrong_estimate_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_search, "_ITEMS_PER_BLOCK", 500)
    queries, items = unit_vectors(5, 8, 1), np.repeat(unit_vectors(100, 8, 2), 20, axis=0)
    # all items near to any query are in the first block, so its sample promises as many in the other blocks
    items = items[np.argsort(-(queries @ items.T).max(axis=0), kind="stable")]
    found = find_exactly(queries, items, 400, SearchFilter())
    assert pairs_of(found) == sort_all(queries, items, 400, SearchFilter())


def test_the_matches_of_a_query_do_not_depend_on_the_other_queries() -> None:
    queries, items = unit_vectors(300, 64, 1), unit_vectors(5000, 64, 2)
    whole = find_exactly(queries, items, 50, SearchFilter())
    for rows in ([7], [299, 7, 130]):
        found = find_exactly(queries[rows], items, 50, SearchFilter())
        for index, row in enumerate(rows):
            of_query, of_whole = found.query == index, whole.query == row
            assert np.array_equal(found.item[of_query], whole.item[of_whole])
            assert np.array_equal(found.score[of_query], whole.score[of_whole])
