"""Train the two towers; the same sequences and seed give the same weights, bit for bit."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from models._tensorflow import tf
from models.ranker.batches import prefetch
from models.towers.batches import TowerBatch, hidden_shares, stream_tower_batches
from models.towers.contract import Sequences, TowerOptions, TrackContent, TrainedTowers, WarmStart
from models.towers.tables import INITIAL_SQUARES, Bag, EmbeddingTable, read_tables, table_shares, update_tables
from models.towers.two_tower import TwoTower, tower_signature
from models.towers.weights import TABLE_NAMES, TOWER_TRACKS_PER_BLOCK, initial_weights, warm_weights


def train_two_tower(
    sequences: Sequences,
    content: TrackContent,
    spectral: np.ndarray,
    warm_start: WarmStart | None,
    options: TowerOptions,
    on_epoch: Callable[[dict[str, float]], None],
) -> TrainedTowers:
    """Fit the towers to sequences of at least two tracks; start from `spectral` [N, D], or from a warm start."""
    tf.config.experimental.enable_op_determinism()
    fresh = initial_weights(content, spectral, options)
    del spectral  # it may take a gigabyte
    weights = warm_weights(warm_start, fresh) if warm_start else fresh
    model, optimizer = TwoTower(options, weights), dense_optimizer(options)
    model.compile(optimizer=optimizer)
    optimizer.build(model.trainable_variables)
    if warm_start:
        _restore_step_sizes(optimizer, model, warm_start)
    tables = {
        name: EmbeddingTable(weights[name], _initial_squares(name, weights[name], warm_start)) for name in TABLE_NAMES
    }
    train = partial(_train_epoch, tf.function(model.train_step, input_signature=[tower_signature()]), tables)
    shares = hidden_shares(sequences, len(content), options.num_hidden)
    for epoch in range(options.num_warm_epochs if warm_start else options.num_epochs):
        num_pairs, loss = train(
            prefetch(stream_tower_batches(sequences, content, shares, options, epoch)), options.learning_rate
        )
        on_epoch({"epoch": epoch, "pairs": num_pairs, "loss": loss})
    return _result(model, optimizer, tables, content)


def _train_epoch(
    step: Any,
    tables: dict[str, EmbeddingTable],
    batches: Iterator[tuple[TowerBatch, dict[str, Bag]]],
    learning_rate: float,
) -> tuple[int, float]:
    """Train for one epoch; return the number of pairs and their mean loss."""
    num_pairs, loss = 0, 0.0
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for batch, bags in batches:
            read = read_tables(tables, {name: bag.shares for name, bag in bags.items()})
            results = {name: value.numpy() for name, value in step({**batch, **read}).items()}
            update_tables(tables, bags, results, learning_rate, workers)
            loss += len(batch["row"]) * float(results["loss"])
            num_pairs += len(batch["row"])
    return num_pairs, loss / max(1, num_pairs)


def dense_optimizer(options: TowerOptions) -> tf.keras.optimizers.Optimizer:
    """Return the optimizer of the dense weights; the embedding tables have their own (see tables.py)."""
    return tf.keras.optimizers.Adagrad(options.learning_rate, INITIAL_SQUARES, epsilon=0.0)


def _restore_step_sizes(optimizer: tf.keras.optimizers.Optimizer, model: TwoTower, warm_start: WarmStart) -> None:
    """Set the step sizes of the dense weights to those at the end of the earlier training."""
    for name, slot in _slots(optimizer, model).items():
        state = warm_start.state[name]
        if len(state) == slot.shape[0]:
            rows = np.maximum(state, INITIAL_SQUARES).reshape([-1] + [1] * (slot.shape.rank - 1))
            slot.assign(np.broadcast_to(rows, slot.shape))


def _initial_squares(name: str, weights: np.ndarray, warm_start: WarmStart | None) -> np.ndarray:
    """Return the sums of squared gradients with which a table starts: those of the warm start; new rows start anew."""
    squares = np.full(weights.shape, INITIAL_SQUARES, dtype=np.float32)
    if warm_start and len(state := warm_start.state[name]):
        row = warm_start.row if name == "id" else np.arange(len(weights)) % len(state)
        np.maximum(squares, np.where(row >= 0, state[row], 0)[:, np.newaxis], out=squares)
    return squares


def _slots(optimizer: tf.keras.optimizers.Optimizer, model: TwoTower) -> dict[str, tf.Variable]:
    """Return the optimizer's sums of squared gradients by the name of the weight."""
    names = {variable.ref(): name for name, variable in model.parts.items()}
    accumulators = optimizer._accumulators
    return {names[v.ref()]: slot for v, slot in zip(model.trainable_variables, accumulators, strict=True)}


def _result(
    model: TwoTower,
    optimizer: tf.keras.optimizers.Optimizer,
    tables: Mapping[str, EmbeddingTable],
    content: TrackContent,
) -> TrainedTowers:
    """Collect weights and state, and embed all tracks."""
    state = {name: table.squares.mean(axis=1) for name, table in tables.items()}
    for name, slot in _slots(optimizer, model).items():
        state[name] = slot.numpy().mean(axis=tuple(range(1, slot.shape.rank)))
    tracks, inputs = (np.empty((len(content), model.options.size), dtype=np.float32) for _ in range(2))
    for start in range(0, len(content), TOWER_TRACKS_PER_BLOCK):
        codes = np.arange(start, min(start + TOWER_TRACKS_PER_BLOCK, len(content)))
        rows = slice(codes[0], codes[-1] + 1)
        read = read_tables(tables, table_shares(content, codes))
        base = model.embed_content({**read, "vector": content.vector[rows], "facts": content.facts[rows]}) + read["own"]
        inputs[rows] = base
        # a track without plays and content has no embedding
        tracks[rows] = np.where(inputs[rows].any(axis=1, keepdims=True), model.embed_tracks(base), 0)
    weights = {name: variable.numpy() for name, variable in model.parts.items()}
    return TrainedTowers({**weights, **{name: table.weights for name, table in tables.items()}}, state, tracks, inputs)
