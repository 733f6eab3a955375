"""Search by an index, against exact search."""

from pathlib import Path

import numpy as np
import pytest

from tests.transforms.embeddings.random_search import pairs_of, random_filter, unit_vectors
from transforms.embeddings import index_search
from transforms.embeddings.exact_search import find_exactly
from transforms.embeddings.index_search import build_index, find_by_index, open_index, write_index


def test_the_index_finds_nearly_all_and_nothing_that_is_excluded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = unit_vectors(20_000, 16, 2) + 3 * np.repeat(unit_vectors(40, 16, 4), 500, axis=0)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    queries = items[::100] + 0.2 * unit_vectors(200, 16, 5)
    write_index(tmp_path, items)
    assert open_index(tmp_path) is None, "so few items are searched exactly"
    monkeypatch.setattr(index_search, "MAX_EXACT_ITEMS", 10_000)
    write_index(tmp_path, items)
    index = open_index(tmp_path)
    item_bias = np.random.default_rng(4).exponential(0.02, 20_000).astype(np.float32)
    for excluded_share, added in ((None, None), (0.3, None), (None, item_bias), (0.3, item_bias)):
        search_filter = random_filter(200, 20_000, 3, excluded_share, added)
        found, exact = (
            find_by_index(index, queries, 100, search_filter),
            find_exactly(queries, items, 100, search_filter),
        )
        assert np.all(np.diff(found.query) >= 0) and np.bincount(found.query).max() <= 100
        same = set(pairs_of(found)) & set(pairs_of(exact))
        assert len(same) / len(exact.query) > 0.9
        never = zip(search_filter.query.tolist(), search_filter.item.tolist(), strict=True)
        assert not set(pairs_of(found)) & set(never)
        assert search_filter.excluded is None or not search_filter.excluded[found.item].any()
    rebuilt = build_index(items)
    assert pairs_of(find_by_index(rebuilt, queries, 100, search_filter)) == pairs_of(found)
