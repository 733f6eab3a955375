"""Batches and steps of the two towers, against plain references."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from models._tensorflow import tf
from models.towers.batches import TowerBatch, hidden_shares, make_tower_batch
from models.towers.contract import (
    FREQUENT_LENGTH,
    NUM_GENRES,
    NUM_WORDS,
    SEQUENCE_LENGTH,
    Sequences,
    TowerOptions,
    TrackContent,
    Weights,
)
from models.towers.tables import INITIAL_SQUARES, EmbeddingTable, make_bag, read_tables, table_shares, update_tables
from models.towers.training import dense_optimizer, train_two_tower
from models.towers.two_tower import TwoTower
from models.towers.user_tower import UserTower
from models.towers.weights import DENSE_NAMES, TABLE_NAMES, initial_weights
from tests.models.towers.kinds import NUM_TRACKS, OPTIONS, content_of, sequences_of


def batch_of(options: TowerOptions = OPTIONS, seed: int = 0) -> tuple[Sequences, np.ndarray, TowerBatch]:
    sequences = sequences_of(64)
    shares = hidden_shares(sequences, NUM_TRACKS, OPTIONS.num_hidden)
    return sequences, *make_tower_batch(sequences, np.arange(72), shares, options, np.random.default_rng(seed))


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


def slow_loss(weights: Weights, content: TrackContent, present: np.ndarray, batch: TowerBatch) -> float:
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
    users = UserTower(inputs, weights).embed(Sequences(*padded, batch["daypart_histogram"]))
    codes, num_pairs = present[batch["code"]], len(batch["row"])
    candidates = []
    for track, shown in zip(codes, batch["has_id"], strict=True):
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


def tables_of(weights: Weights) -> dict[str, EmbeddingTable]:
    return {
        name: EmbeddingTable(weights[name].copy(), np.full_like(weights[name], INITIAL_SQUARES)) for name in TABLE_NAMES
    }


def read(tables: dict[str, EmbeddingTable], content: TrackContent, present: np.ndarray) -> TowerBatch:
    described = {"vector": content.vector[present], "facts": content.facts[present]}
    return {**described, **read_tables(tables, table_shares(content, present))}


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
    bags = {name: make_bag(shares) for name, shares in table_shares(content, present).items()}
    tables, model = tables_of(weights), TwoTower(OPTIONS, weights)
    model.compile(optimizer=dense_optimizer(OPTIONS))
    plain, squares = TwoTower(OPTIONS, weights), {name: INITIAL_SQUARES for name in weights}
    whole = {name: tf.Variable(weights[name]) for name in TABLE_NAMES} | plain.parts
    dense = {name: bag.shares.toarray() for name, bag in bags.items()}
    for _ in range(3):
        made = model.train_step({**batch, **read(tables, content, present)})
        with ThreadPoolExecutor(2) as workers:
            slopes = {name: made[name].numpy() for name in ("own", "named")}
            update_tables(tables, bags, slopes, OPTIONS.learning_rate, workers)
        with tf.GradientTape() as tape:
            summed = {name: tf.constant(dense[name]) @ whole[name] for name in TABLE_NAMES}
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


def test_reruns_give_the_same_bits_of_all_that_is_learned() -> None:
    options, content = replace(OPTIONS, num_epochs=2), rich_content()
    spectral = np.random.default_rng(2).standard_normal((NUM_TRACKS, OPTIONS.size), dtype=np.float32)
    one, other = (train_two_tower(sequences_of(), content, spectral, None, options, lambda _: None) for _ in range(2))
    for name in ("weights", "state"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert set(mine) == set(theirs) == {*TABLE_NAMES, *DENSE_NAMES}
        assert all(np.array_equal(mine[part], theirs[part]) for part in mine)
    start = initial_weights(content, spectral, options)
    assert not any(np.array_equal(one.weights[part], start[part]) for part in start)


def test_rows_of_a_bag_are_named_once() -> None:
    content = replace(content_of(with_vectors=False), genres=np.array([[7, 3, 0], [0, 0, 0], [3, 3, 9]], np.int32))
    bag = make_bag(table_shares(replace(content, num_rows={**content.num_rows, "genre": 10}), np.arange(3))["genre"])
    assert bag.rows.tolist() == [3, 7, 9]
    third = 1 / 3
    assert bag.shares.toarray()[:, bag.rows] == pytest.approx(
        np.array([[third, third, 0], [0, 0, 0], [2 * third, 0, third]])
    )
    assert np.array_equal(bag.transposed.toarray().T, bag.shares.toarray()[:, bag.rows])
    nothing = make_bag(table_shares(content, np.arange(3))["artist"])
    assert len(nothing.rows) == 0 and nothing.transposed.shape == (0, 3)
