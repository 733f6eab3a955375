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
from models.towers.batches import Batch, batches, hidden_shares
from models.towers.contract import Sequences, TowerOptions, TrackContent, Weights
from models.towers.tables import ADAGRAD_START, Bag, Table, move_tables, read_tables, shares_of
from models.towers.two_tower import TwoTower, signature
from models.towers.weights import TABLES, TRACKS_PER_BLOCK, continued, initial_weights


@dataclass(frozen=True)
class Towers:
    """What training leaves: the weights, the mean Adagrad state of each row, and every track's vectors.

    tracks: unit vectors float32 [N, D]; inputs: float32 [N, D], what a play brings into a user's pools.
    """

    weights: dict[str, np.ndarray]
    state: dict[str, np.ndarray]
    tracks: np.ndarray
    inputs: np.ndarray


@dataclass(frozen=True)
class Earlier:
    """Towers to continue from; row int [N] says where each of today's tracks stood, -1: nowhere."""

    weights: Weights
    state: Weights
    row: np.ndarray


def train_towers(
    sequences: Sequences,
    content: TrackContent,
    spectral: np.ndarray,
    earlier: Earlier | None,
    options: TowerOptions,
    on_epoch: Callable[[dict[str, float]], None],
) -> Towers:
    """Fit the towers to sequences of at least two tracks; start from `spectral` [N, D], or where `earlier` ended."""
    tf.config.experimental.enable_op_determinism()
    fresh = initial_weights(content, spectral, options)
    del spectral  # which may be a gigabyte
    weights = continued(earlier.weights, fresh, earlier.row) if earlier else fresh
    model, optimizer = TwoTower(options, weights), adagrad(options)
    model.compile(optimizer=optimizer)
    optimizer.build(model.trainable_variables)
    if earlier:
        _restore(optimizer, model, earlier)
    tables = {name: Table(weights[name], _squares(name, weights[name], earlier)) for name in TABLES}
    train = partial(_train_epoch, tf.function(model.train_step, input_signature=[signature()]), tables)
    shares = hidden_shares(sequences, len(content), options.num_hidden)
    for epoch in range(options.num_warm_epochs if earlier else options.num_epochs):
        num_pairs, loss = train(prefetch(batches(sequences, content, shares, options, epoch)), options.learning_rate)
        on_epoch({"epoch": epoch, "pairs": num_pairs, "loss": loss})
    return _result(model, optimizer, tables, content)


def _train_epoch(
    step: Any, tables: dict[str, Table], coming: Iterator[tuple[Batch, dict[str, Bag]]], learning_rate: float
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


def adagrad(options: TowerOptions) -> tf.keras.optimizers.Optimizer:
    """Return the optimizer of what is no table; that of tables is in tower_tables.py."""
    return tf.keras.optimizers.Adagrad(options.learning_rate, ADAGRAD_START, epsilon=0.0)


def _restore(optimizer: tf.keras.optimizers.Optimizer, model: TwoTower, earlier: Earlier) -> None:
    """Continue the step sizes of the variables."""
    for name, slot in _slots(optimizer, model).items():
        state = earlier.state[name]
        if len(state) == slot.shape[0]:
            rows = np.maximum(state, ADAGRAD_START).reshape([-1] + [1] * (slot.shape.rank - 1))
            slot.assign(np.broadcast_to(rows, slot.shape))


def _squares(name: str, weights: np.ndarray, earlier: Earlier | None) -> np.ndarray:
    """Continue the step sizes of a table; a new track starts with those of a new table."""
    squares = np.full(weights.shape, ADAGRAD_START, dtype=np.float32)
    if earlier and len(state := earlier.state[name]):
        row = earlier.row if name == "id" else np.arange(len(weights)) % len(state)
        np.maximum(squares, np.where(row >= 0, state[row], 0)[:, np.newaxis], out=squares)
    return squares


def _slots(optimizer: tf.keras.optimizers.Optimizer, model: TwoTower) -> dict[str, tf.Variable]:
    names = {variable.ref(): name for name, variable in model.parts.items()}
    accumulators = optimizer._accumulators
    return {names[v.ref()]: slot for v, slot in zip(model.trainable_variables, accumulators, strict=True)}


def _result(
    model: TwoTower, optimizer: tf.keras.optimizers.Optimizer, tables: Mapping[str, Table], content: TrackContent
) -> Towers:
    state = {name: table.squares.mean(axis=1) for name, table in tables.items()}
    for name, slot in _slots(optimizer, model).items():
        state[name] = slot.numpy().mean(axis=tuple(range(1, slot.shape.rank)))
    tracks, inputs = (np.empty((len(content), model.options.size), dtype=np.float32) for _ in range(2))
    for start in range(0, len(content), TRACKS_PER_BLOCK):
        codes = np.arange(start, min(start + TRACKS_PER_BLOCK, len(content)))
        rows = slice(codes[0], codes[-1] + 1)
        read = read_tables(tables, shares_of(content, codes))
        base = model.described({**read, "vector": content.vector[rows], "facts": content.facts[rows]}) + read["own"]
        inputs[rows] = base
        # of which nothing is known is near to nobody
        tracks[rows] = np.where(inputs[rows].any(axis=1, keepdims=True), model.track_vectors(base), 0)
    weights = {name: variable.numpy() for name, variable in model.parts.items()}
    return Towers({**weights, **{name: table.weights for name, table in tables.items()}}, state, tracks, inputs)
