"""Sparse sums over neighbour lists, repeatsst a dense product."""

from pathlib import Path

import numpy as np
import pytest

from tests.worlds import catalog_of, random_plays, tracks_of
from transforms.candidates import co_listened
from transforms.candidates.co_listened import CoListened, Pairs, Seeds, find_co_listened
from transforms.catalog.catalog import Catalog

NUM_TRACKS, NUM_USERS = 200, 50


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    plays = random_plays(4, num_users=60, num_tracks=NUM_TRACKS, num_plays=6000)
    folder: Path = tmp_path_factory.mktemp("catalog")
    return catalog_of(plays, tracks_of(NUM_TRACKS), folder, num_neighbours=12)


def dense(catalog: Catalog) -> np.ndarray:
    matrix = np.zeros((NUM_TRACKS, NUM_TRACKS))
    for track in range(NUM_TRACKS):
        for other, similarity in zip(catalog.neighbours[track], catalog.similarities[track], strict=True):
            if other >= 0:
                matrix[track, other] = similarity
    return matrix


def drawn(seed: int) -> tuple[Seeds, Pairs]:
    """Some users with many seeds, some with none; what was played is more than the seeds."""
    rng = np.random.default_rng(seed)
    seeds, played = [], []
    for user in range(NUM_USERS):
        tracks = rng.permutation(60)[: rng.integers(0, 30)]
        weights = np.sort(rng.random(len(tracks)))[::-1]
        seeds += [(user, track, weight) for track, weight in zip(tracks, weights, strict=True)]
        played += [(user, track) for track in np.unique(np.concatenate([tracks, rng.integers(0, NUM_TRACKS, 20)]))]
    return Seeds(*map(np.array, zip(*seeds, strict=True))), Pairs(*map(np.array, zip(*played, strict=True)))


@pytest.mark.parametrize("block", [7, 1024])
def test_it_is_the_product_of_weights_and_similarities(
    catalog: Catalog, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(co_listened, "_USERS_PER_BLOCK", block)
    seeds, played = drawn(1)
    matrix = dense(catalog)
    unplayed, repeats = find_co_listened(seeds, played, catalog, num_users=NUM_USERS, max_unplayed=15, max_played=6)
    for user in range(NUM_USERS):
        mine = seeds.user == user
        scores = seeds.weight[mine] @ matrix[seeds.track[mine]]
        known = np.isin(np.arange(NUM_TRACKS), played.track[played.user == user])
        for near, wanted, most in ((unplayed, ~known, 15), (repeats, known, 6)):
            of_user = CoListened(*(column[near.user == user] for column in near))
            allowed = np.flatnonzero(wanted & (scores > 0))
            best = allowed[np.argsort(-scores[allowed].astype(np.float32), kind="stable")][:most]
            assert of_user.score == pytest.approx(scores[best], rel=1e-5)
            assert np.all(np.diff(of_user.score) <= 0) and len(set(of_user.track)) == len(of_user.track)
            assert scores[of_user.track] == pytest.approx(scores[best], rel=1e-5)
            for track, seed_track in zip(of_user.track, of_user.seed_track, strict=True):
                strongest = seeds.track[mine][: co_listened.NAMED_SEEDS]
                says = seeds.weight[mine][: co_listened.NAMED_SEEDS] * matrix[strongest, track]
                assert seed_track == (strongest[says.argmax()] if says.max(initial=0) > 0 else -1)
    assert (repeats.seed_track == -1).any() and (unplayed.seed_track >= 0).any()


def test_users_without_seeds_and_no_users_at_all(catalog: Catalog) -> None:
    nobody = Seeds(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float64))
    nothing = Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
    for num_users in (0, 3):
        assert all(
            len(near.user) == 0
            for near in find_co_listened(nobody, nothing, catalog, num_users=num_users, max_unplayed=5, max_played=5)
        )
