"""Train the two towers; the same sequences and seed give the same weights, bit for bit."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from models._tensorflow import tf
from models.ranker.batches import prefetch
from models.towers.batches import TowerBatch, hidden_shares, stream_tower_batches
from models.towers.contract import Sequences, TowerOptions, TrackContent, Weights
from models.towers.tables import INITIAL_SQUARES, Bag, EmbeddingTable, move_tables, read_tables, shares_of
from models.towers.two_tower import TwoTower, tower_signature
from models.towers.weights import TABLE_NAMES, TOWER_TRACKS_PER_BLOCK, initial_weights, warm_started


@dataclass(frozen=True)
class TrainedTowers:
    """What training leaves: the weights, the mean Adagrad state of each row, and every track's vectors.

    tracks: unit vectors float32 [N, D]; inputs: float32 [N, D], what a play brings into a user's pools.
    """

    weights: dict[str, np.ndarray]
    state: dict[str, np.ndarray]
    tracks: np.ndarray
    inputs: np.ndarray


@dataclass(frozen=True)
class WarmStart:
    """Towers to continue from; row int [N] says where each of today's tracks stood, -1: nowhere."""

    weights: Weights
    state: Weights
    row: np.ndarray


def train_two_tower(
    sequences: Sequences,
    content: TrackContent,
    spectral: np.ndarray,
    earlier: WarmStart | None,
    options: TowerOptions,
    on_epoch: Callable[[dict[str, float]], None],
) -> TrainedTowers:
    """Fit the towers to sequences of at least two tracks; start from `spectral` [N, D], or where `earlier` ended."""
    tf.config.experimental.enable_op_determinism()
    fresh = initial_weights(content, spectral, options)
    del spectral  # which may be a gigabyte
    weights = warm_started(earlier.weights, fresh, earlier.row) if earlier else fresh
    model, optimizer = TwoTower(options, weights), dense_optimizer(options)
    model.compile(optimizer=optimizer)
    optimizer.build(model.trainable_variables)
    if earlier:
        _restore(optimizer, model, earlier)
    tables = {name: EmbeddingTable(weights[name], _squares(name, weights[name], earlier)) for name in TABLE_NAMES}
    train = partial(_train_epoch, tf.function(model.train_step, input_signature=[tower_signature()]), tables)
    shares = hidden_shares(sequences, len(content), options.num_hidden)
    for epoch in range(options.num_warm_epochs if earlier else options.num_epochs):
        num_pairs, loss = train(
            prefetch(stream_tower_batches(sequences, content, shares, options, epoch)), options.learning_rate
        )
        on_epoch({"epoch": epoch, "pairs": num_pairs, "loss": loss})
    return _result(model, optimizer, tables, content)


def _train_epoch(
    step: Any,
    tables: dict[str, EmbeddingTable],
    coming: Iterator[tuple[TowerBatch, dict[str, Bag]]],
    learning_rate: float,
) -> tuple[int, float]:
    """Return the number of pairs and their mean loss."""
    num_pairs, loss = 0, 0.0
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for batch, bags in coming:
            read = read_tables(tables, {name: bag.shares for name, bag in bags.items()})
            made = {name: value.numpy() for name, value in step({**batch, **read}).items()}
            move_tables(tables, bags, made, learning_rate, workers)
            loss += len(batch["row"]) * float(made["loss"])
            num_pairs += len(batch["row"])
    return num_pairs, loss / max(1, num_pairs)


def dense_optimizer(options: TowerOptions) -> tf.keras.optimizers.Optimizer:
    """Return the optimizer of what is no table; that of tables is in tower_tables.py."""
    return tf.keras.optimizers.Adagrad(options.learning_rate, INITIAL_SQUARES, epsilon=0.0)


def _restore(optimizer: tf.keras.optimizers.Optimizer, model: TwoTower, earlier: WarmStart) -> None:
    """Continue the step sizes of the variables."""
    for name, slot in _slots(optimizer, model).items():
        state = earlier.state[name]
        if len(state) == slot.shape[0]:
            rows = np.maximum(state, INITIAL_SQUARES).reshape([-1] + [1] * (slot.shape.rank - 1))
            slot.assign(np.broadcast_to(rows, slot.shape))


def _squares(name: str, weights: np.ndarray, earlier: WarmStart | None) -> np.ndarray:
    """Continue the step sizes of a table; a new track starts with those of a new table."""
    squares = np.full(weights.shape, INITIAL_SQUARES, dtype=np.float32)
    if earlier and len(state := earlier.state[name]):
        row = earlier.row if name == "id" else np.arange(len(weights)) % len(state)
        np.maximum(squares, np.where(row >= 0, state[row], 0)[:, np.newaxis], out=squares)
    return squares


def _slots(optimizer: tf.keras.optimizers.Optimizer, model: TwoTower) -> dict[str, tf.Variable]:
    names = {variable.ref(): name for name, variable in model.parts.items()}
    accumulators = optimizer._accumulators
    return {names[v.ref()]: slot for v, slot in zip(model.trainable_variables, accumulators, strict=True)}


def _result(
    model: TwoTower,
    optimizer: tf.keras.optimizers.Optimizer,
    tables: Mapping[str, EmbeddingTable],
    content: TrackContent,
) -> TrainedTowers:
    state = {name: table.squares.mean(axis=1) for name, table in tables.items()}
    for name, slot in _slots(optimizer, model).items():
        state[name] = slot.numpy().mean(axis=tuple(range(1, slot.shape.rank)))
    tracks, inputs = (np.empty((len(content), model.options.size), dtype=np.float32) for _ in range(2))
    for start in range(0, len(content), TOWER_TRACKS_PER_BLOCK):
        codes = np.arange(start, min(start + TOWER_TRACKS_PER_BLOCK, len(content)))
        rows = slice(codes[0], codes[-1] + 1)
        read = read_tables(tables, shares_of(content, codes))
        base = model.described({**read, "vector": content.vector[rows], "facts": content.facts[rows]}) + read["own"]
        inputs[rows] = base
        # of which nothing is known is near to nobody
        tracks[rows] = np.where(inputs[rows].any(axis=1, keepdims=True), model.embed_tracks(base), 0)
    weights = {name: variable.numpy() for name, variable in model.parts.items()}
    return TrainedTowers({**weights, **{name: table.weights for name, table in tables.items()}}, state, tracks, inputs)
