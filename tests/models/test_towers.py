"""The two towers, on a world of two kinds of tracks that nobody mixes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from models._tensorflow import tf
from models.spectral import factorize
from models.tower_batches import Batch, hidden_shares, made_ahead, make_batch
from models.tower_contract import (
    DAY_PARTS,
    FREQUENT_LENGTH,
    NUM_GENRES,
    NUM_WORDS,
    SEQUENCE_LENGTH,
    Sequences,
    TowerOptions,
    TrackContent,
    Weights,
)
from models.tower_tables import ADAGRAD_START, Table, bag_of, move_tables, read_tables, shares_of
from models.tower_training import Earlier, Towers, adagrad, train_towers
from models.tower_weights import TABLES, continued, initial_weights
from models.two_tower import TwoTower
from models.user_tower import UserTower

OPTIONS = TowerOptions(
    size=16,
    num_epochs=4,
    num_warm_epochs=1,
    batch_size=64,
    learning_rate=0.03,
    temperature=0.2,
    dropout=0.3,
    id_dropout=0.2,
    num_hidden=4,
    num_negatives=32,
    is_logq=True,
    seed=1,
)
# Of 80 tracks the even ones are of one kind, the odd ones of the other; nobody ever played the last eight.
NUM_TRACKS, UNPLAYED = 80, np.arange(72, 80)
KIND = np.arange(NUM_TRACKS) % 2


def sequences_of(num: int = 600, seed: int = 0) -> Sequences:
    rng = np.random.default_rng(seed)
    kind = rng.integers(2, size=num)
    length = rng.integers(2, 20, size=num)
    tracks = 2 * rng.zipf(1.3, (num, SEQUENCE_LENGTH)) % 72 + kind[:, None]
    tracks = np.where(np.arange(SEQUENCE_LENGTH)[None] < length[:, None], tracks, -1).astype(np.int32)
    frequent = np.pad(tracks[:, :5], [(0, 0), (0, FREQUENT_LENGTH - 5)], constant_values=-1)
    rhythm = np.full((num, DAY_PARTS), 0.25, dtype=np.float32)
    return Sequences(tracks, frequent, rhythm)


def content_of(*, with_vectors: bool) -> TrackContent:
    rng = np.random.default_rng(3)
    axis = np.stack([KIND, 1 - KIND], axis=1) + 0.1 * rng.standard_normal((NUM_TRACKS, 2))
    vector = axis if with_vectors else np.zeros((NUM_TRACKS, 0))
    num_plays = np.where(np.isin(np.arange(NUM_TRACKS), UNPLAYED), 0, 10)
    return TrackContent(
        artist=np.zeros(NUM_TRACKS, np.int32),
        genres=np.zeros((NUM_TRACKS, NUM_GENRES), np.int32),
        words=np.zeros((NUM_TRACKS, NUM_WORDS), np.int32),
        vector=vector.astype(np.float32),
        facts=np.zeros((NUM_TRACKS, 2), np.float32),
        num_plays=num_plays,
        num_rows={"artist": 4, "genre": 4, "word": 4},
    )


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


def train(*, with_vectors: bool = True, earlier: Earlier | None = None, options: TowerOptions = OPTIONS) -> Towers:
    sequences = sequences_of()
    losses: list[dict[str, float]] = []
    content = content_of(with_vectors=with_vectors)
    towers = train_towers(sequences, content, spectral_of(sequences), earlier, options, losses.append)
    assert len(losses) == (options.num_warm_epochs if earlier else options.num_epochs)
    assert earlier or losses[-1]["loss"] < losses[0]["loss"]
    return towers


@pytest.fixture(scope="module")
def towers() -> Towers:
    return train()


def of_own_kind(towers: Towers, tracks: np.ndarray) -> float:
    """Share of the ten unseen-before users' scores at which a track of their kind is above one of the other."""
    users = sequences_of(200, seed=9)
    kind = users.tracks[:, 0] % 2
    scores = UserTower(towers.inputs, towers.weights).vectors(users) @ towers.tracks[tracks].T
    mine = KIND[tracks][None, :] == kind[:, None]
    wins = [(np.mean(row[own][:, None] > row[~own][None, :])) for row, own in zip(scores, mine, strict=True)]
    return float(np.mean(wins))


def test_users_never_seen_find_their_kind(towers: Towers) -> None:
    assert of_own_kind(towers, np.arange(72)) > 0.99


def test_a_track_that_nobody_played_is_found_by_its_content_alone(towers: Towers) -> None:
    assert of_own_kind(towers, UNPLAYED) > 0.95
    # with ids only there is nothing to know of them: a score above chance would be a leak
    blind = train(with_vectors=False)
    assert of_own_kind(blind, np.arange(72)) > 0.99
    assert not blind.tracks[UNPLAYED].any()


def test_the_same_sequences_give_the_same_bits(towers: Towers) -> None:
    again = train()
    assert np.array_equal(again.tracks, towers.tracks) and np.array_equal(again.inputs, towers.inputs)
    assert not np.array_equal(train(options=replace(OPTIONS, seed=2)).tracks, towers.tracks)


def test_vectors_have_length_one_and_serving_needs_no_tensorflow(towers: Towers) -> None:
    assert np.linalg.norm(towers.tracks, axis=1) == pytest.approx(1, abs=1e-5)
    model = TwoTower(OPTIONS, towers.weights)
    users = sequences_of(300, seed=4)
    inputs = read(tables_of(towers.weights), content_of(with_vectors=True), np.arange(NUM_TRACKS))
    base = model.described(inputs) + inputs["own"]
    served = UserTower(towers.inputs, towers.weights).vectors(users)
    trained = model.user_vectors(base, users.tracks, users.frequent, users.rhythm).numpy()
    assert served == pytest.approx(trained, abs=1e-5)
    assert towers.inputs == pytest.approx(base.numpy(), abs=1e-6)


def test_a_users_vector_does_not_depend_on_the_others(towers: Towers) -> None:
    users, tower = sequences_of(300, seed=4), UserTower(towers.inputs, towers.weights)
    whole = tower.vectors(users)
    for rows in ([5], [299, 0, 17], list(range(100, 300))):
        assert np.array_equal(tower.vectors(users.take(np.array(rows))), whole[rows])
    nobody = Sequences(*(np.full_like(values[:1], -1) for values in (users.tracks, users.frequent)), users.rhythm[:1])
    assert not tower.vectors(nobody).any()
    assert tower.vectors(users.take(slice(0, 0))).shape == (0, OPTIONS.size)


def continuing(towers: Towers, row: np.ndarray) -> Earlier:
    return Earlier(towers.weights, towers.state, row)


def neighbours(towers: Towers) -> list[set[int]]:
    return [set(np.argsort(-row)[:10]) for row in (towers.tracks @ towers.tracks.T)[:72]]


def overlap(one: Towers, other: Towers) -> float:
    pairs = zip(neighbours(one), neighbours(other), strict=True)
    return float(np.mean([len(mine & theirs) / 10 for mine, theirs in pairs]))


def test_continued_towers_stay_where_they_were(towers: Towers) -> None:
    same = train(earlier=continuing(towers, np.arange(NUM_TRACKS)))
    fresh = train(options=replace(OPTIONS, seed=7))
    assert overlap(same, towers) > 0.85 and overlap(same, towers) > overlap(fresh, towers)
    # comparable as they are: a track is nearest to itself
    assert np.mean((same.tracks @ towers.tracks.T).argmax(axis=1)[:72] == np.arange(72)) > 0.9
    assert of_own_kind(same, np.arange(72)) > 0.99


def test_what_is_new_starts_without_an_embedding_and_tables_grow(towers: Towers) -> None:
    content = replace(content_of(with_vectors=True), num_rows={"artist": 8, "genre": 4, "word": 2})
    fresh = initial_weights(content, np.zeros((NUM_TRACKS, OPTIONS.size), np.float32), OPTIONS)
    row = np.arange(NUM_TRACKS)[::-1].copy()
    row[3] = -1
    taken = continued(towers.weights, fresh, row)
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


def batch_of(options: TowerOptions = OPTIONS, seed: int = 0) -> tuple[Sequences, np.ndarray, Batch]:
    sequences = sequences_of(64)
    shares = hidden_shares(sequences, NUM_TRACKS, OPTIONS.num_hidden)
    return sequences, *make_batch(sequences, np.arange(72), shares, options, np.random.default_rng(seed))


def test_what_is_hidden_is_shown_nowhere() -> None:
    sequences, present, batch = batch_of()
    assert np.array_equal(present, np.unique(present)) and present.min() >= 0
    num_pairs = len(batch["row"])
    pairs = list(zip(batch["row"].tolist(), present[batch["code"][:num_pairs]].tolist(), strict=True))
    assert len(set(pairs)) == num_pairs
    for row in range(64):
        hidden = {track for at, track in pairs if at == row}
        there = sequences.tracks[row][sequences.tracks[row] >= 0].tolist()
        assert hidden <= set(there) and len(hidden) <= min(4, len(there) // 2)
        for name, whole in (("tracks", sequences.tracks[row]), ("frequent", sequences.frequent[row])):
            places = batch[name][row]
            shown = present[places[places >= 0]].tolist()
            assert not hidden & set(shown)
            assert not (places[len(shown) :] >= 0).any()
            # in the order of the sequence
            rest = iter(whole.tolist())
            assert all(track in rest for track in shown)


def test_what_is_not_hidden_is_shown_where_nothing_is_dropped() -> None:
    sequences, present, batch = batch_of(replace(OPTIONS, dropout=0.0))
    hidden = present[batch["code"][: len(batch["row"])]]
    for row in range(64):
        there = [track for track in sequences.tracks[row].tolist() if track >= 0]
        places = batch["tracks"][row]
        expected = [track for track in there if track not in hidden[batch["row"] == row]]
        assert present[places[places >= 0]].tolist() == expected


def test_probabilities_are_how_often_tracks_are_drawn() -> None:
    drawn = np.zeros(NUM_TRACKS)
    expected = np.zeros(NUM_TRACKS)
    for seed in range(400):
        _, present, batch = batch_of(seed=seed)
        codes = present[batch["code"]]
        np.add.at(drawn, codes, 1)
        expected[codes] = batch["probability"]
    often = drawn > 400
    ratio = (drawn / drawn.sum())[often] / (expected / expected.sum())[often]
    assert often.sum() > 20 and ratio == pytest.approx(1, abs=0.25)
    assert batch["probability"].max() == 1


def test_only_tracks_of_others_are_negatives() -> None:
    _, _, batch = batch_of()
    num_pairs = len(batch["row"])
    for user in range(64):
        mine = batch["code"][:num_pairs][batch["row"] == user]
        assert np.array_equal(batch["is_other"][user], ~np.isin(batch["code"], mine))


def slow_loss(weights: Weights, content: TrackContent, present: np.ndarray, batch: Batch) -> float:
    """The mean loss of a batch, in double precision, a track and a pair at a time."""
    part = {name: value.astype(float) for name, value in weights.items()}

    def described(track: int) -> np.ndarray:
        total = content.vector[track] @ part["vector"] + content.facts[track] @ part["facts"]
        for name, rows in (("artist", content.artist[track : track + 1]), ("genre", content.genres[track])):
            total = total + sum(part[name][row] for row in rows if row) / len(rows)
        return total + sum(part["word"][row] for row in content.words[track] if row) / NUM_WORDS

    def own(track: int) -> np.ndarray:
        return part["id"][track] * (content.num_plays[track] > 0)

    def unit(vector: np.ndarray) -> np.ndarray:
        return vector / np.sqrt(np.square(vector).sum())

    inputs = np.array([described(track) + own(track) for track in range(len(content))]).astype(np.float32)
    seen = [np.where(batch[name] >= 0, present[batch[name]], -1) for name in ("tracks", "frequent")]
    lengths = (SEQUENCE_LENGTH, FREQUENT_LENGTH)
    padded = [
        np.pad(tracks, [(0, 0), (0, length - tracks.shape[1])], constant_values=-1)
        for tracks, length in zip(seen, lengths, strict=True)
    ]
    users = UserTower(inputs, weights).vectors(Sequences(*padded, batch["rhythm"]))
    codes, num_pairs = present[batch["code"]], len(batch["row"])
    candidates = []
    for track, shown in zip(codes, batch["shown"], strict=True):
        base = described(track) + own(track) * shown
        candidates.append(unit(base + np.maximum(base @ part["track_in"] + part["track_bias"], 0) @ part["track_out"]))
    losses = []
    for pair, row in enumerate(batch["row"]):
        mine = {codes[other] for other in range(num_pairs) if batch["row"][other] == row}
        scores = {
            place: users[row] @ candidates[place] / OPTIONS.temperature - np.log(batch["probability"][place])
            for place in range(len(codes))
            if place == pair or codes[place] not in mine
        }
        losses.append(np.log(sum(np.exp(score) for score in scores.values())) - scores[pair])
    return float(np.mean(losses))


def random_weights(content: TrackContent) -> Weights:
    rng = np.random.default_rng(8)
    start = initial_weights(content, np.zeros((NUM_TRACKS, OPTIONS.size), np.float32), OPTIONS)
    return {name: rng.standard_normal(value.shape).astype(np.float32) / 3 for name, value in start.items()}


def rich_content() -> TrackContent:
    """Of every kind some, shared, named twice and unknown."""
    rng = np.random.default_rng(6)
    drawn = {"artist": (NUM_TRACKS,), "genres": (NUM_TRACKS, NUM_GENRES), "words": (NUM_TRACKS, NUM_WORDS)}
    rows = {name: rng.integers(4, size=shape, dtype=np.int32) for name, shape in drawn.items()}
    facts = rng.standard_normal((NUM_TRACKS, 2)).astype(np.float32)
    return replace(content_of(with_vectors=True), **rows, facts=facts)


def tables_of(weights: Weights) -> dict[str, Table]:
    return {name: Table(weights[name].copy(), np.full_like(weights[name], ADAGRAD_START)) for name in TABLES}


def read(tables: dict[str, Table], content: TrackContent, present: np.ndarray) -> Batch:
    described = {"vector": content.vector[present], "facts": content.facts[present]}
    return {**described, **read_tables(tables, shares_of(content, present))}


def test_the_loss_is_that_of_the_plain_softmax() -> None:
    content = rich_content()
    weights = random_weights(content)
    _, present, batch = batch_of()
    inputs = {**batch, **read(tables_of(weights), content, present)}
    found = float(TwoTower(OPTIONS, weights).compute_loss(inputs))
    assert found == pytest.approx(slow_loss(weights, content, present, batch), rel=1e-5)


def test_a_step_is_that_of_adagrad_with_the_gradients_of_whole_tables() -> None:
    content = rich_content()
    weights = random_weights(content)
    _, present, batch = batch_of()
    bags = {name: bag_of(shares) for name, shares in shares_of(content, present).items()}
    tables, model = tables_of(weights), TwoTower(OPTIONS, weights)
    model.compile(optimizer=adagrad(OPTIONS))
    plain, squares = TwoTower(OPTIONS, weights), {name: ADAGRAD_START for name in weights}
    whole = {name: tf.Variable(weights[name]) for name in TABLES} | plain.parts
    dense = {name: bag.shares.toarray() for name, bag in bags.items()}
    for _ in range(3):
        made = model.train_step({**batch, **read(tables, content, present)})
        with ThreadPoolExecutor(2) as workers:
            slopes = {name: made[name].numpy() for name in ("own", "named")}
            move_tables(tables, bags, slopes, OPTIONS.learning_rate, workers)
        with tf.GradientTape() as tape:
            summed = {name: tf.constant(dense[name]) @ whole[name] for name in TABLES}
            named = summed["artist"] + summed["genre"] + summed["word"]
            described = {"vector": content.vector[present], "facts": content.facts[present]}
            loss = plain.compute_loss({**batch, **described, "own": summed["id"], "named": named})
        for name, gradient in zip(whole, tape.gradient(loss, list(whole.values())), strict=True):
            squares[name] = squares[name] + np.square(gradient.numpy())
            whole[name].assign_sub(OPTIONS.learning_rate * gradient.numpy() / np.sqrt(squares[name]))
    moved = {name: table.weights for name, table in tables.items()} | {n: v.numpy() for n, v in model.parts.items()}
    for name, variable in whole.items():
        assert moved[name] == pytest.approx(variable.numpy(), abs=1e-4), name
        assert not np.array_equal(moved[name], weights[name]), name


def test_rows_of_a_bag_are_named_once() -> None:
    content = replace(content_of(with_vectors=False), genres=np.array([[7, 3, 0], [0, 0, 0], [3, 3, 9]], np.int32))
    bag = bag_of(shares_of(replace(content, num_rows={**content.num_rows, "genre": 10}), np.arange(3))["genre"])
    assert bag.rows.tolist() == [3, 7, 9]
    third = 1 / 3
    assert bag.shares.toarray()[:, bag.rows] == pytest.approx(
        np.array([[third, third, 0], [0, 0, 0], [2 * third, 0, third]])
    )
    assert np.array_equal(bag.turned.toarray().T, bag.shares.toarray()[:, bag.rows])
    nothing = bag_of(shares_of(content, np.arange(3))["artist"])
    assert len(nothing.rows) == 0 and nothing.turned.shape == (0, 3)


def test_what_is_made_ahead_is_the_same_and_so_are_its_errors() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("the sixth")

    found = []
    with pytest.raises(ValueError, match="the sixth"):
        for item in made_ahead(items()):
            found.append(item)
    assert found == [0, 1, 2, 3, 4]
    assert list(made_ahead(iter(range(3)))) == [0, 1, 2] and not list(made_ahead(iter(())))


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
