"""Train the sequence model; the same windows and seed give the same bits, also after an interruption."""

import json
from collections.abc import Iterator

import numpy as np

from models._tensorflow import Tensor, tf
from models.ranker.batches import prefetch
from models.sequence.batches import SequenceBatch, stream_sequence_batches
from models.sequence.contract import SequenceOptions, SequenceWeights
from models.sequence.model import TRACK_TABLES, SequenceModel, training_signature
from models.sequence.sequence_data import SequenceData
from models.sequence.start import initial_sequence_weights
from models.sequence.transformer import Tensors
from models.towers.contract import TrackContent

# Gradients of a mean loss are small: Keras' 0.1 would hardly let a row move.
_ADAGRAD_START = 1e-7
_WARM_UP_STEPS = 50
_CLIP = 1.0


def fit_transformer(data: SequenceData, options: SequenceOptions) -> SequenceWeights:
    """Fit the model for the epochs of the options; resume from the newest checkpoint.

    Returns:
        The weights by name, with tables that hold the whole vectors of tracks: own and content added up.
    """
    tf.config.experimental.enable_op_determinism()
    model = SequenceModel(options, initial_sequence_weights(data.pairs, data.content, options), data.content)
    steps = _Steps(model, data, options)
    log = steps.resume()
    for figures in log:
        data.on_epoch(figures)
    for epoch in range(len(log), options.num_epochs):
        log.append(steps.train_epoch(epoch))
        steps.save(log)
        data.on_epoch(log[-1])
    return {**{name: value.numpy() for name, value in model.parts.items()}, **_whole_vectors(model, data.content)}


class _Steps:
    """Steps of one training; the number of batches of an epoch is known after a first pass over the windows."""

    def __init__(self, model: SequenceModel, data: SequenceData, options: SequenceOptions) -> None:
        self.model, self.data, self.options = model, data, options
        names = sorted(model.parts)
        self.tables = [model.parts[name] for name in names if name in TRACK_TABLES]
        self.layers = [model.parts[name] for name in names if name not in TRACK_TABLES]
        self.slow = tf.keras.optimizers.Adagrad(options.table_learning_rate, _ADAGRAD_START, epsilon=0.0)
        self.fast = tf.keras.optimizers.Adam(options.learning_rate, beta_2=0.98)
        for optimizer, variables in ((self.slow, self.tables), (self.fast, self.layers)):
            optimizer.build(variables)
        self.step = tf.function(self._step, input_signature=[training_signature()])
        self.total = options.num_epochs * sum(1 for _ in self._batches(0))

    def _batches(self, epoch: int) -> Iterator[SequenceBatch]:
        return stream_sequence_batches(
            self.data.windows, self.data.successors, self.model.num_tracks, self.options, epoch
        )

    def _step(self, inputs: Tensors) -> Tensor:
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(inputs, training=True)
        of_tables, of_layers = tape.gradient(loss, (self.tables, self.layers))
        pairs = [(gradient, one) for gradient, one in zip(of_layers, self.layers, strict=True) if gradient is not None]
        clipped, _ = tf.clip_by_global_norm([gradient for gradient, _ in pairs], _CLIP)
        self.fast.apply_gradients(zip(clipped, [one for _, one in pairs], strict=True))
        self.slow.apply_gradients(zip(of_tables, self.tables, strict=True))
        return loss

    def train_epoch(self, epoch: int) -> dict[str, float]:
        """Train for one epoch; return its figures."""
        loss, plays = 0.0, 0
        for batch in prefetch(self._batches(epoch)):
            if len(batch["target"]):
                loss += len(batch["target"]) * float(self._take(batch))
                plays += len(batch["target"])
        return {"epoch": epoch, "plays": plays, "loss": loss / max(1, plays)}

    def _take(self, batch: SequenceBatch) -> Tensor:
        number = int(self.fast.iterations.numpy())
        share = min(1.0, (number + 1) / _WARM_UP_STEPS) * 0.5 * (1 + np.cos(np.pi * number / max(1, self.total)))
        self.fast.learning_rate.assign(self.options.learning_rate * share)
        self.slow.learning_rate.assign(self.options.table_learning_rate * share)
        seed = np.array([self.options.seed, number * 1000], dtype=np.int32)
        return self.step({name: tf.convert_to_tensor(value) for name, value in {**batch, "seed": seed}.items()})

    def _variables(self) -> list[tf.Variable]:
        return [*self.tables, *self.layers, *self.slow.variables, *self.fast.variables]

    def save(self, log: list[dict[str, float]]) -> None:
        """Store all weights, the state of the optimizers and the figures of the epochs."""
        weights = {f"weight/{number}": one.numpy() for number, one in enumerate(self._variables())}
        self.data.checkpoints.save({"log": np.array(json.dumps(log)), **weights})

    def resume(self) -> list[dict[str, float]]:
        """Restore the newest checkpoint; return the figures of the epochs before it."""
        state = self.data.checkpoints.latest()
        if state is None:
            return []
        for number, one in enumerate(self._variables()):
            one.assign(state[f"weight/{number}"])
        log: list[dict[str, float]] = json.loads(str(state["log"]))
        return log


def _whole_vectors(model: SequenceModel, content: TrackContent) -> dict[str, np.ndarray]:
    """Return the tables of tracks with own and content vectors added up; without plays a track has only the latter."""
    has_id = np.append(content.num_plays > 0, True).astype(np.float32)
    codes, inputs = tf.range(-1, model.num_tracks), {"has_id": tf.constant(has_id)}
    found = {}
    for table in ("item_in", "item_out"):
        vectors = model.embed_tracks(table, codes, inputs).numpy()
        found[table] = np.concatenate([vectors[1:], vectors[:1]])
    return found
