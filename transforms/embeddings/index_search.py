"""Approximate search in large catalogues: an inverted file over the items (Jégou et al., PAMI 2011; library faiss)."""

from pathlib import Path
from typing import Any

import numpy as np

from transforms.embeddings.exact_search import Matches, SearchFilter, first_per_query

# Larger catalogues have an index (tests/benchmarks/candidates/retrieval.py compares it with exact search).
MAX_EXACT_ITEMS = 1_000_000
_INDEX_FILE = "index.faiss"
# k-means cells per square root of the number of items, and the share of them that a search reads.
_CELLS_PER_ROOT, _PROBED_SHARE = 4, 0.04
_TRAINING_PER_CELL = 40
# The index does not know the bias of items: it returns this many times k matches, which are then ordered with the bias.
_BIAS_ROOM = 3


def build_index(items: np.ndarray) -> Any:
    """Build the index of items [N, D]."""
    import faiss

    cells = int(_CELLS_PER_ROOT * np.sqrt(len(items)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(items.shape[1]), items.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid = _TRAINING_PER_CELL
    index.cp.seed = 1
    index.train(items)
    index.add(items)
    return index


def write_index(directory: Path, items: np.ndarray) -> None:
    """Write the index if the catalogue is too large for exact search."""
    import faiss

    if len(items) > MAX_EXACT_ITEMS:
        faiss.write_index(build_index(items), str(directory / _INDEX_FILE))


def open_index(directory: Path) -> Any | None:
    """Open the index that write_index() wrote; None if it wrote none."""
    path = directory / _INDEX_FILE
    if not path.exists():
        return None
    import faiss

    return faiss.read_index(str(path))


def find_by_index(
    index: Any, queries: np.ndarray, k: int, search_filter: SearchFilter, probed_share: float = _PROBED_SHARE
) -> Matches:
    """Return nearly the matches of find_exactly(): only those in the `probed_share` of cells nearest to each query."""
    import faiss

    max_pairs = int(np.bincount(search_filter.query, minlength=1).max(initial=0))
    arguments: dict[str, Any] = {"nprobe": max(1, int(index.nlist * probed_share))}
    if search_filter.excluded is not None:
        bits = np.packbits(~search_filter.excluded, bitorder="little")
        arguments["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
    parameters = faiss.SearchParametersIVF(**arguments)
    wanted = k if search_filter.item_bias is None else _BIAS_ROOM * k
    score, item = index.search(np.ascontiguousarray(queries), wanted + min(max_pairs, 4 * wanted), params=parameters)
    query, rank = np.nonzero(item >= 0)
    found = Matches(query, item[query, rank], score[query, rank])
    is_kept = ~np.isin(_keys(found.query, found.item), _keys(search_filter.query, search_filter.item))
    found = search_filter.with_bias(Matches(*(values[is_kept] for values in found)))
    # the library returns the best first, but without the bias
    order = np.lexsort((found.item, -found.score, found.query)) if search_filter.item_bias is not None else slice(None)
    return first_per_query(Matches(*(values[order] for values in found)), k)


def _keys(query: np.ndarray, item: np.ndarray) -> np.ndarray:
    return np.asarray(query.astype(np.int64) << 32 | item.astype(np.int64))
