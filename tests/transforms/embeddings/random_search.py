"""Random queries, items and filters of a search."""

import numpy as np

from transforms.embeddings.exact_search import Matches, SearchFilter


def unit_vectors(num: int, size: int, seed: int) -> np.ndarray:
    """Draw vectors of length 1: float32 [num, size]."""
    vectors = np.random.default_rng(seed).standard_normal((num, size), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def random_filter(
    num_queries: int, num_items: int, seed: int, excluded_share: float | None, item_bias: np.ndarray | None
) -> SearchFilter:
    """Exclude about 20 items of each query, and a share of the items from all of them."""
    rng = np.random.default_rng(seed)
    key = np.unique(
        rng.integers(num_queries, size=20 * num_queries) * num_items + rng.integers(num_items, size=20 * num_queries)
    )
    excluded = None if excluded_share is None else rng.random(num_items) < excluded_share
    return SearchFilter(key // num_items, key % num_items, excluded, item_bias)


def pairs_of(found: Matches) -> list[tuple[int, int]]:
    """Return the matches as pairs of a query and an item."""
    return list(zip(found.query.tolist(), found.item.tolist(), strict=True))
