"""Item-item nearest neighbours of the library `implicit`."""

import warnings

import numpy as np

from models.baselines.interactions import Arrays, Baseline, Interactions, Parameters
from models.baselines.sparse_rows import as_arrays, from_arrays, sum_similarities, user_rows


def _fit_item_knn(plays: Interactions, parameters: Parameters) -> Arrays:
    """Keep the nearest neighbours of every track, by cosine or, with `is_bm25`, by BM25 weights."""
    from implicit.nearest_neighbours import BM25Recommender, CosineRecommender

    neighbours = int(parameters["num_neighbours"])
    kind = BM25Recommender if parameters["is_bm25"] else CosineRecommender
    model = kind(K=neighbours, num_threads=1)
    with warnings.catch_warnings():
        # the library warns of its own conversion
        warnings.simplefilter("ignore")
        model.fit(user_rows(plays, half_life_days=0), show_progress=False)
    return as_arrays(model.similarity.tocsr().astype(np.float32))


def _score_item_knn(plays: Interactions, learned: Arrays, parameters: Parameters) -> np.ndarray:
    """Sum the similarities of the user's tracks, recently played ones with a higher weight."""
    similarity = from_arrays(learned, plays.num_tracks)
    # similarity[i, j] is the similarity of j to i
    return sum_similarities(user_rows(plays, parameters["half_life_days"]), similarity)


ITEM_KNN = Baseline(
    name="item_knn",
    sentence="sum of the similarities of the user's tracks, weighted by recency (library implicit)",
    source="Sarwar et al., WWW 2001",
    grid=tuple(
        {"num_neighbours": 200.0, "is_bm25": is_bm25, "half_life_days": half_life}
        for is_bm25 in (1.0, 0.0)
        for half_life in (3.0, 1.0, 10.0)
    ),
    score=_score_item_knn,
    fit=_fit_item_knn,
)
