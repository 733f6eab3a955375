"""Train the DCN-v2 ranker on streamed examples; the same rows and seed give the same weights, bit for bit."""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from models._tensorflow import tf
from models.logistic import log_odds
from models.ranker.batches import SHUFFLE_ROWS, prefetch, rechunked, shuffled_batches, signed_log1p
from models.ranker.contract import (
    INPUTS,
    PROPENSITY,
    Examples,
    ExampleStream,
    FeatureSpec,
    NothingToLearnError,
)
from models.ranker.dcn_v2 import RankingModel, Scales, batch_signature, example_signature
from models.ranker.entry import RankerOptions, TrainingData
from models.ranker.platt import fit_platt
from models.ranker.progress import TrainingProgress, read_progress
from models.ranker.serving import TensorFlowRanker

Build = Callable[[FeatureSpec, RankerOptions, Scales], RankingModel]
# The loss is a mean, so the gradients of an embedding row are near 1e-5: Keras' 0.1 would hardly let it move.
_ADAGRAD_START = 1e-8
# Training ends after this many examples without a better validation loss: small epochs get more patience, because the
# loss after one of them is noisy. A first epoch may be worse than none.
_PATIENCE, _MIN_EPOCHS = 1 << 19, 2
# Examples between two checkpoints within an epoch, about a minute's; each epoch ends with a checkpoint, too.
ROWS_PER_CHECKPOINT = 1 << 22
# Rows at a time where no gradient is computed.
_BLOCK_ROWS = 1 << 14


def train_dcn(given: TrainingData, options: RankerOptions, build: Build = RankingModel) -> TensorFlowRanker:
    """Fit and calibrate a RankingModel.

    Of the model before the first epoch and after each epoch, the one with the least loss on `given.validation` is kept;
    its probabilities are calibrated on the same examples. The order of rows matters, their split into chunks does not.
    `build` creates the model: a variant of it is trained like the model itself.

    Raises:
        NothingToLearnError: there are no examples, or a head has only one label.
    """
    spec = given.spec
    # Otherwise the gradients of an id that occurs twice in a batch are summed in the order in which threads finish.
    tf.config.experimental.enable_op_determinism()
    model = build(spec, options, learn_scales(given.training, spec, options))
    # Keras creates the weights at the first call.
    model({name: tf.zeros([0, *one.shape[1:]], one.dtype) for name, one in batch_signature(spec).items()})
    # Adam would touch every row of the tables in every step.
    model.compile(optimizer=tf.keras.optimizers.Adagrad(options.learning_rate, _ADAGRAD_START))
    model.optimizer.build(model.trainable_variables)
    best = _Training(model, given, options).best_weights()
    for weight, value in zip(model.variables, best, strict=True):
        weight.assign(value)
    _calibrate(model, prefetch(rechunked(given.validation(), spec, _BLOCK_ROWS)), spec)
    return TensorFlowRanker(spec, model.exported(spec))


class _Training:
    """Steps of one training, from its beginning or from a checkpoint."""

    def __init__(self, model: RankingModel, given: TrainingData, options: RankerOptions) -> None:
        self.model, self.given, self.options = model, given, options
        inputs = (example_signature(given.spec), tf.TensorSpec([None, len(given.spec.heads)]))
        self.step = tf.function(lambda *batch: model.train_step(batch)["loss"], input_signature=inputs)
        # With the impression biases: without them, a model that takes position for liking would seem the better one.
        self.loss_of = tf.function(lambda *batch: model.compute_loss(batch), input_signature=inputs)

    def best_weights(self) -> list[np.ndarray]:
        """Train, and return the weights with the least loss on validation examples."""
        progress = self._resume()
        for figures in progress.log:
            self.given.on_epoch(figures)
        while progress.epoch < self.options.num_epochs and _has_patience(progress):
            self._train_epoch(progress)
            self._close_epoch(progress)
            self.given.on_epoch(progress.log[-1])
            self._save(progress)
        return progress.best_weights

    def _resume(self) -> TrainingProgress:
        """Restore the model and the progress of an earlier attempt, or begin."""
        about = f"{self.options} {self.given.spec.to_json()}"
        state = self.given.checkpoints.latest()
        found = read_progress(state, about) if state is not None else None
        if found is None:
            return TrainingProgress(about, self._validation_loss(), _values(self.model))
        progress, values = found
        for weight, value in zip(self._variables(), values, strict=True):
            weight.assign(value)
        return progress

    def _train_epoch(self, progress: TrainingProgress) -> None:
        """Train on the rest of the epoch; earlier batches are drawn again, because the random state needs them."""
        batches = shuffled_epoch(self.given.training, self.given.spec, self.options, progress.epoch)
        saved = progress.num_rows
        for batch in islice(batches, progress.num_batches, None):
            progress.total += len(batch) * float(self.step(dict(batch.features), batch.label))
            progress.num_rows += len(batch)
            progress.num_batches += 1
            if progress.num_rows - saved >= ROWS_PER_CHECKPOINT:
                self._save(progress)
                saved = progress.num_rows

    def _close_epoch(self, progress: TrainingProgress) -> None:
        """Evaluate the weights, log the epoch and begin the next."""
        loss, validation_loss = progress.total / max(1, progress.num_rows), self._validation_loss()
        if is_best := validation_loss < progress.best:
            progress.best, progress.best_epoch = validation_loss, progress.epoch
            progress.best_weights = _values(self.model)
        counted = {"epoch": progress.epoch, "examples": progress.num_rows}
        progress.log.append({**counted, "loss": loss, "validation_loss": validation_loss, "is_best": float(is_best)})
        progress.epoch, progress.num_batches, progress.total, progress.num_rows = progress.epoch + 1, 0, 0.0, 0

    def _validation_loss(self) -> float:
        """Return the mean loss over validation examples; 0 without any, so that no epoch is better."""
        total, rows = 0.0, 0
        for batch in prefetch(rechunked(self.given.validation(), self.given.spec, _BLOCK_ROWS)):
            total += len(batch) * float(self.loss_of(dict(batch.features), batch.label))
            rows += len(batch)
        return total / max(1, rows)

    def _variables(self) -> list[tf.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _save(self, progress: TrainingProgress) -> None:
        weights = [variable.numpy() for variable in self._variables()]
        self.given.checkpoints.save(progress.to_arrays(weights))


def shuffled_epoch(
    examples: ExampleStream, spec: FeatureSpec, options: RankerOptions, epoch: int
) -> Iterator[Examples]:
    """Yield the batches of one epoch."""
    dropout, seed = options.id_dropout, options.seed
    return prefetch(
        shuffled_batches(examples(), spec, batch_size=options.batch_size, id_dropout=dropout, seed=seed, epoch=epoch)
    )


def _has_patience(progress: TrainingProgress) -> bool:
    learned = sum(figures["examples"] for figures in progress.log[progress.best_epoch + 1 :])
    return progress.epoch < _MIN_EPOCHS or learned < _PATIENCE


def _values(model: RankingModel) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.variables]


def _calibrate(model: RankingModel, batches: Iterator[Examples], spec: FeatureSpec) -> None:
    """Fit Platt's slope and intercept of each head; a head without settled labels stays as it is."""
    logits_of = tf.function(model.call, input_signature=[batch_signature(spec)])
    parts = [(np.asarray(logits_of({name: one.features[name] for name in INPUTS})), one.label) for one in batches]
    if parts:
        logits, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
        fitted = [fit_platt(logits[:, head], labels[:, head]) for head in range(len(spec.heads))]
        model.platt.assign(np.array(fitted, np.float32).T)


def learn_scales(examples: ExampleStream, spec: FeatureSpec, options: RankerOptions) -> Scales:
    """Compute Scales in one pass; a constant feature has deviation 1.

    Raises:
        NothingToLearnError: there are no examples, or a head has only one label.
    """
    rows, probability, settled, positives = 0, 0.0, np.zeros(len(spec.heads)), np.zeros(len(spec.heads))
    total, squares = np.zeros(len(spec.dense)), np.zeros(len(spec.dense))
    inverse, num_impressions = 0.0, 0
    for chunk in rechunked(examples(), spec, SHUFFLE_ROWS):
        of_chunk = _sums(chunk.features["dense"])
        total, squares = total + of_chunk[0], squares + of_chunk[1]
        rows += len(chunk)
        probability += float(chunk.features["dense"][:, spec.dense.index(options.base)].sum(dtype=np.float64))
        settled += np.isfinite(chunk.label).sum(axis=0)
        positives += np.nansum(chunk.label, axis=0, dtype=np.float64)
        propensity = chunk.features[PROPENSITY][np.isfinite(chunk.features[PROPENSITY])].astype(np.float64)
        inverse += float((1 / np.maximum(propensity, options.min_propensity)).sum())
        num_impressions += len(propensity)
    if not ((positives > 0) & (positives < settled)).all():
        counts = ", ".join(f"{n:g} of them {name}" for n, name in zip(positives, spec.heads, strict=True))
        raise NothingToLearnError(f"{rows} training examples, {counts}: both labels are needed")
    mean = total / rows
    deviation = np.sqrt(np.maximum(squares / rows - np.square(mean), 0))
    return Scales(
        mean.astype(np.float32),
        np.where(deviation > 1e-4, deviation, 1).astype(np.float32),
        (log_odds(positives / settled) - log_odds(np.array(probability / rows))).astype(np.float32),
        inverse / num_impressions if num_impressions else 1.0,
    )


def _sums(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of signed_log1p and of its squares, float64 [F]; in blocks that fit into the caches."""
    total, squares = np.zeros(dense.shape[1]), np.zeros(dense.shape[1])
    for start in range(0, len(dense), _BLOCK_ROWS):
        block = signed_log1p(dense[start : start + _BLOCK_ROWS])
        total += block.sum(axis=0, dtype=np.float64)
        squares += np.einsum("ij,ij->j", block, block, dtype=np.float64)
    return total, squares
