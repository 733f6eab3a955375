"""The two towers, on a world of two kinds of tracks that nobody mixes."""

from dataclasses import replace

import numpy as np
import pytest

from models.towers.contract import Sequences, TowerOptions, TrainedTowers, WarmStart
from models.towers.spectral import factorize
from models.towers.tables import EmbeddingTable, read_tables, table_shares
from models.towers.training import train_two_tower
from models.towers.two_tower import TwoTower
from models.towers.user_tower import UserTower
from models.towers.weights import TABLE_NAMES, initial_weights, warm_weights
from tests.models.towers.kinds import KIND, NUM_TRACKS, OPTIONS, UNPLAYED, content_of, sequences_of


def spectral_of(sequences: Sequences) -> np.ndarray:
    """From how often two tracks stand in one sequence."""
    played = np.zeros((len(sequences), NUM_TRACKS))
    row, place = np.nonzero(sequences.tracks >= 0)
    played[row, sequences.tracks[row, place]] = 1
    together = played.T @ played
    np.fill_diagonal(together, 0)
    order = np.argsort(-together, axis=1)[:, :10]
    similar = np.take_along_axis(together, order, axis=1)
    return factorize(np.where(similar > 0, order, -1), similar.astype(np.float32), OPTIONS.size, 1)


def train(
    *, with_vectors: bool = True, warm_start: WarmStart | None = None, options: TowerOptions = OPTIONS
) -> TrainedTowers:
    sequences = sequences_of()
    losses: list[dict[str, float]] = []
    content = content_of(with_vectors=with_vectors)
    towers = train_two_tower(sequences, content, spectral_of(sequences), warm_start, options, losses.append)
    assert len(losses) == (options.num_warm_epochs if warm_start else options.num_epochs)
    assert warm_start or losses[-1]["loss"] < losses[0]["loss"]
    return towers


@pytest.fixture(scope="module")
def towers() -> TrainedTowers:
    return train()


@pytest.fixture(scope="module")
def of_another_seed() -> TrainedTowers:
    return train(options=replace(OPTIONS, seed=2))


def of_own_kind(towers: TrainedTowers, tracks: np.ndarray) -> float:
    """Share of the ten unseen-before users' scores at which a track of their kind is above one of the other."""
    users = sequences_of(200, seed=9)
    kind = users.tracks[:, 0] % 2
    scores = UserTower(towers.inputs, towers.weights).embed(users) @ towers.tracks[tracks].T
    mine = KIND[tracks][None, :] == kind[:, None]
    wins = [(np.mean(row[own][:, None] > row[~own][None, :])) for row, own in zip(scores, mine, strict=True)]
    return float(np.mean(wins))


def test_users_never_seen_find_their_kind(towers: TrainedTowers) -> None:
    assert of_own_kind(towers, np.arange(72)) > 0.99


def test_a_track_that_nobody_played_is_found_by_its_content_alone(towers: TrainedTowers) -> None:
    assert of_own_kind(towers, UNPLAYED) > 0.95
    # with ids only there is nothing to know of them: a score above chance would be a leak
    blind = train(with_vectors=False)
    assert of_own_kind(blind, np.arange(72)) > 0.99
    assert not blind.tracks[UNPLAYED].any()


def test_the_same_sequences_give_the_same_bits(towers: TrainedTowers, of_another_seed: TrainedTowers) -> None:
    again = train()
    assert np.array_equal(again.tracks, towers.tracks) and np.array_equal(again.inputs, towers.inputs)
    assert not np.array_equal(of_another_seed.tracks, towers.tracks)


def test_vectors_have_length_one_and_serving_needs_no_tensorflow(towers: TrainedTowers) -> None:
    assert np.linalg.norm(towers.tracks, axis=1) == pytest.approx(1, abs=1e-5)
    model = TwoTower(OPTIONS, towers.weights)
    users = sequences_of(300, seed=4)
    content = content_of(with_vectors=True)
    tables = {name: EmbeddingTable(towers.weights[name], np.empty(0)) for name in TABLE_NAMES}
    read = read_tables(tables, table_shares(content, np.arange(NUM_TRACKS)))
    base = model.embed_content({**read, "vector": content.vector, "facts": content.facts}) + read["own"]
    served = UserTower(towers.inputs, towers.weights).embed(users)
    trained = model.embed_users(base, users.tracks, users.frequent, users.daypart_histogram).numpy()
    assert served == pytest.approx(trained, abs=1e-5)
    assert towers.inputs == pytest.approx(base.numpy(), abs=1e-6)


def test_a_users_vector_does_not_depend_on_the_others(towers: TrainedTowers) -> None:
    users, tower = sequences_of(300, seed=4), UserTower(towers.inputs, towers.weights)
    whole = tower.embed(users)
    for rows in ([5], [299, 0, 17], list(range(100, 300))):
        assert np.array_equal(tower.embed(users.take(np.array(rows))), whole[rows])
    nobody = Sequences(
        *(np.full_like(values[:1], -1) for values in (users.tracks, users.frequent)), users.daypart_histogram[:1]
    )
    assert not tower.embed(nobody).any()
    assert tower.embed(users.take(slice(0, 0))).shape == (0, OPTIONS.size)


def continuing(towers: TrainedTowers, row: np.ndarray) -> WarmStart:
    return WarmStart(towers.weights, towers.state, row)


def neighbours(towers: TrainedTowers) -> list[set[int]]:
    return [set(np.argsort(-row)[:10]) for row in (towers.tracks @ towers.tracks.T)[:72]]


def overlap(one: TrainedTowers, other: TrainedTowers) -> float:
    pairs = zip(neighbours(one), neighbours(other), strict=True)
    return float(np.mean([len(mine & theirs) / 10 for mine, theirs in pairs]))


def test_continued_towers_stay_where_they_were(towers: TrainedTowers, of_another_seed: TrainedTowers) -> None:
    before = {name: value.copy() for name, value in towers.weights.items()}
    same = train(warm_start=continuing(towers, np.arange(NUM_TRACKS)))
    assert all(np.array_equal(towers.weights[name], value) for name, value in before.items())
    assert overlap(same, towers) > 0.85 and overlap(same, towers) > overlap(of_another_seed, towers)
    # comparable as they are: a track is nearest to itself
    assert np.mean((same.tracks @ towers.tracks.T).argmax(axis=1)[:72] == np.arange(72)) > 0.9
    assert of_own_kind(same, np.arange(72)) > 0.99


def test_what_is_new_starts_without_an_embedding_and_tables_grow(towers: TrainedTowers) -> None:
    content = replace(content_of(with_vectors=True), num_rows={"artist": 8, "genre": 4, "word": 2})
    fresh = initial_weights(content, np.zeros((NUM_TRACKS, OPTIONS.size), np.float32), OPTIONS)
    row = np.arange(NUM_TRACKS)[::-1].copy()
    row[3] = -1
    taken = warm_weights(continuing(towers, row), fresh)
    assert np.array_equal(taken["id"][0], towers.weights["id"][79]) and not taken["id"][3].any()
    assert np.array_equal(taken["artist"], np.concatenate([towers.weights["artist"]] * 2))
    assert np.array_equal(taken["word"], towers.weights["word"][:2])
    assert np.array_equal(taken["vector"], towers.weights["vector"])


def test_content_explains_what_it_can_and_the_id_the_rest() -> None:
    spectral = spectral_of(sequences_of())
    weights = initial_weights(content_of(with_vectors=True), spectral, OPTIONS)
    content = content_of(with_vectors=True)
    described = content.vector @ weights["vector"]
    assert (described + weights["id"])[:72] == pytest.approx(spectral[:72], abs=1e-5)
    assert np.square(weights["id"][:72]).sum() < np.square(spectral[:72]).sum()


def test_spectral_vectors_are_those_of_the_dense_matrix() -> None:
    rng = np.random.default_rng(5)
    near = np.stack([rng.permutation(30)[:6] for _ in range(30)])
    similar = rng.random((30, 6)).astype(np.float32)
    near[4], similar[4] = -1, 0
    near[near == 4] = 5
    dense = np.zeros((30, 30))
    for row in range(30):
        mean = similar[row].sum() / max(1, (near[row] >= 0).sum())
        for place in range(6):
            if near[row, place] >= 0:
                dense[row, near[row, place]] += np.log1p(similar[row, place] / max(mean, 1e-12))
    dense = (dense + dense.T) / 2
    values, vectors = np.linalg.eigh(dense)
    largest = np.argsort(-np.abs(values))[:30]
    expected = vectors[:, largest] * np.sqrt(np.abs(values[largest]))
    found = factorize(near, similar, 30, 1)
    assert not found[4].any()
    scale = np.linalg.norm(expected, axis=1)
    products = found @ found.T * np.square(scale[scale > 1e-6].mean())
    assert products == pytest.approx(expected @ expected.T, abs=2e-3)
