"""The nearest tracks, against sorting all of them."""

from pathlib import Path

import numpy as np
import pytest

from transforms.embeddings import exact_search as retrieval
from transforms.embeddings.exact_search import (
    Matches,
    SearchFilter,
    build_index,
    find_by_index,
    find_exactly,
    open_index,
    write_index,
)


def vectors_of(num: int, size: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((num, size), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def plain(users: np.ndarray, tracks: np.ndarray, k: int, search_filter: SearchFilter) -> list[tuple[int, int]]:
    scores = np.einsum("ud,td->ut", users, tracks)
    scores = scores if search_filter.item_bias is None else scores + search_filter.item_bias
    scores[search_filter.user, search_filter.track] = -np.inf
    if search_filter.excluded is not None:
        scores[:, search_filter.excluded] = -np.inf
    order = np.lexsort((np.broadcast_to(np.arange(len(tracks)), scores.shape), -scores), axis=1)[:, :k]
    return [(user, int(t)) for user in range(len(users)) for t in order[user] if scores[user, t] > -np.inf]


def pairs(found: Matches) -> list[tuple[int, int]]:
    return list(zip(found.user.tolist(), found.track.tolist(), strict=True))


def random_terms(
    num_users: int, num_tracks: int, seed: int, share: float | None, item_bias: np.ndarray | None
) -> SearchFilter:
    rng = np.random.default_rng(seed)
    key = np.unique(
        rng.integers(num_users, size=20 * num_users) * num_tracks + rng.integers(num_tracks, size=20 * num_users)
    )
    excluded = None if share is None else rng.random(num_tracks) < share
    return SearchFilter(key // num_tracks, key % num_tracks, excluded, item_bias)


@pytest.mark.parametrize(
    ("num_users", "num_tracks", "k"), [(1, 1, 3), (300, 50, 60), (130, 3000, 100), (128, 3000, 2990)]
)
@pytest.mark.parametrize("excluded", [None, 0.3, 0.8])
@pytest.mark.parametrize("with_bias", [False, True])
def test_exact_search_is_a_sort_of_everything(
    num_users: int,
    num_tracks: int,
    k: int,
    excluded: float | None,
    with_bias: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieval, "_ITEMS_PER_BLOCK", 700)
    users, tracks = vectors_of(num_users, 16, 1), vectors_of(num_tracks, 16, 2)
    item_bias = np.random.default_rng(4).exponential(0.3, num_tracks).astype(np.float32) if with_bias else None
    search_filter = random_terms(num_users, num_tracks, 3, excluded, item_bias)
    found = find_exactly(users, tracks, k, search_filter)
    assert pairs(found) == plain(users, tracks, k, search_filter)
    score = np.sum(users[found.user] * tracks[found.track], axis=1)
    assert found.score == pytest.approx(score if item_bias is None else score + item_bias[found.track], abs=1e-6)


def test_ties_go_by_code_and_a_skewed_catalogue_defeats_the_guess_but_not_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieval, "_ITEMS_PER_BLOCK", 500)
    users, tracks = vectors_of(5, 8, 1), np.repeat(vectors_of(100, 8, 2), 20, axis=0)
    # all that is near to anyone stands in the first block, the sample of which promises as much of the others
    near = np.argsort(-(users @ tracks.T).max(axis=0), kind="stable")
    tracks = tracks[near]
    found = find_exactly(users, tracks, 400, SearchFilter())
    assert pairs(found) == plain(users, tracks, 400, SearchFilter())


def test_a_users_tracks_do_not_depend_on_who_else_is_searched_for() -> None:
    users, tracks = vectors_of(300, 64, 1), vectors_of(5000, 64, 2)
    whole = find_exactly(users, tracks, 50, SearchFilter())
    for rows in ([7], [299, 7, 130]):
        found = find_exactly(users[rows], tracks, 50, SearchFilter())
        for place, row in enumerate(rows):
            mine, of_whole = found.user == place, whole.user == row
            assert np.array_equal(found.track[mine], whole.track[of_whole])
            assert np.array_equal(found.score[mine], whole.score[of_whole])


def test_the_index_finds_nearly_all_and_nothing_that_is_excluded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks = vectors_of(20_000, 16, 2) + 3 * np.repeat(vectors_of(40, 16, 4), 500, axis=0)
    tracks /= np.linalg.norm(tracks, axis=1, keepdims=True)
    users = tracks[::100] + 0.2 * vectors_of(200, 16, 5)
    write_index(tmp_path, tracks)
    assert open_index(tmp_path) is None, "so few tracks are searched exactly"
    monkeypatch.setattr(retrieval, "MAX_EXACT_ITEMS", 10_000)
    write_index(tmp_path, tracks)
    index = open_index(tmp_path)
    item_bias = np.random.default_rng(4).exponential(0.02, 20_000).astype(np.float32)
    for excluded, added in ((None, None), (0.3, None), (None, item_bias), (0.3, item_bias)):
        search_filter = random_terms(200, 20_000, 3, excluded, added)
        found, exact = find_by_index(index, users, 100, search_filter), find_exactly(users, tracks, 100, search_filter)
        assert np.all(np.diff(found.user) >= 0) and np.bincount(found.user).max() <= 100
        same = set(pairs(found)) & set(pairs(exact))
        assert len(same) / len(exact.user) > 0.9
        assert not set(pairs(found)) & set(zip(search_filter.user.tolist(), search_filter.track.tolist(), strict=True))
        assert search_filter.excluded is None or not search_filter.excluded[found.track].any()
    rebuilt = build_index(tracks)
    assert pairs(find_by_index(rebuilt, users, 100, search_filter)) == pairs(found)
