"""Train the two towers; the same sequences and seed give the same weights, bit for bit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models._tensorflow import tf
from models.tower_batches import batches, hidden_shares
from models.tower_contract import Sequences, TowerOptions, TrackContent, Weights
from models.tower_weights import TABLES, continued, initial_weights
from models.two_tower import TwoTower, signature

# As for the ranker: the loss is a mean, so that gradients are small.
ADAGRAD_START = 1e-8
TRACKS_PER_BLOCK = 8192


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
    weights = continued(earlier.weights, fresh, earlier.row) if earlier else fresh
    model = TwoTower(content, options, weights)
    optimizer = tf.keras.optimizers.Adagrad(options.learning_rate, ADAGRAD_START)
    model.compile(optimizer=optimizer)
    optimizer.build(model.trainable_variables)
    if earlier:
        _restore(optimizer, model, earlier)
    step = tf.function(model.train_step, input_signature=[signature()])
    drawable = np.flatnonzero(content.num_plays > 0)
    shares = hidden_shares(sequences, len(content), options.num_hidden)
    for epoch in range(options.num_warm_epochs if earlier else options.num_epochs):
        num_pairs, loss = 0, 0.0
        for batch in batches(sequences, drawable, shares, options, epoch):
            loss += len(batch["row"]) * float(step(dict(batch))["loss"])
            num_pairs += len(batch["row"])
        on_epoch({"epoch": epoch, "pairs": num_pairs, "loss": loss / max(1, num_pairs)})
    return _result(model, optimizer, len(content))


def _restore(optimizer: tf.keras.optimizers.Optimizer, model: TwoTower, earlier: Earlier) -> None:
    """Continue the step sizes; a new track starts with those of a new table."""
    for name, slot in _slots(optimizer, model).items():
        state = earlier.state[name]
        if name == "id":
            rows = np.where(earlier.row >= 0, state[np.maximum(earlier.row, 0)] if len(state) else 0, ADAGRAD_START)
        elif name in TABLES:
            rows = state[np.arange(slot.shape[0]) % len(state)]
        else:
            rows = state if len(state) == slot.shape[0] else np.full(slot.shape[0], ADAGRAD_START)
        shape = [slot.shape[0]] + [1] * (len(slot.shape) - 1)
        slot.assign(np.broadcast_to(rows.reshape(shape), slot.shape).astype(np.float32))


def _slots(optimizer: tf.keras.optimizers.Optimizer, model: TwoTower) -> dict[str, tf.Variable]:
    names = {variable.ref(): name for name, variable in model.parts.items()}
    accumulators = optimizer._accumulators
    return {names[v.ref()]: slot for v, slot in zip(model.trainable_variables, accumulators, strict=True)}


def _result(model: TwoTower, optimizer: tf.keras.optimizers.Optimizer, num_tracks: int) -> Towers:
    slots = _slots(optimizer, model)
    state = {name: slot.numpy().mean(axis=tuple(range(1, len(slot.shape)))) for name, slot in slots.items()}
    tracks, inputs = [], []
    for start in range(0, num_tracks, TRACKS_PER_BLOCK):
        codes = tf.range(start, min(start + TRACKS_PER_BLOCK, num_tracks))
        base = model.described(codes) + model.own(codes)
        inputs.append(base.numpy())
        # of which nothing is known is near to nobody
        tracks.append(np.where(inputs[-1].any(axis=1, keepdims=True), model.track_vectors(base).numpy(), 0))
    nothing = [np.empty((0, model.options.size), np.float32)]
    weights = {name: variable.numpy() for name, variable in model.parts.items()}
    return Towers(weights, state, np.concatenate(nothing + tracks), np.concatenate(nothing + inputs))
