"""Train the ranking model on streamed examples; the same rows and seed give the same weights, bit for bit."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from models._tensorflow import tf
from models.logistic import log_odds
from models.ranker.batches import SHUFFLE_ROWS, prefetch, rechunked, shuffled_batches, signed_log1p
from models.ranker.contract import (
    INPUTS,
    PROPENSITY,
    CheckpointStore,
    Examples,
    ExampleStream,
    FeatureSpec,
    NothingToLearnError,
)
from models.ranker.platt import fit_platt
from models.ranker.progress import TrainingProgress, read_progress
from models.ranker.ranker import RankerOptions, RankingModel, Scales, batch_signature, example_signature
from models.ranker.serving import TensorFlowRanker

# The loss is a mean, so an embedding row sees gradients near 1e-5: under Keras' 0.1 it would hardly move.
_ADAGRAD_START = 1e-8
# Training ends after so many examples without a better loss on later ones. Small epochs get more patience: how well one
# ends is chance. A first epoch may be worse than none.
_PATIENCE, _MIN_EPOCHS = 1 << 19, 2
# Examples after which a training is saved within an epoch, about a minute's; it is saved at the end of each, too.
ROWS_PER_CHECKPOINT = 1 << 22
# Rows at a time of what takes no steps.
_BLOCK_ROWS = 1 << 14


def train_dcn(
    passes: ExampleStream,
    later: ExampleStream,
    spec: FeatureSpec,
    options: RankerOptions,
    on_epoch: Callable[[dict[str, float]], None],
    checkpoints: CheckpointStore,
) -> TensorFlowRanker:
    """Fit a RankingModel and calibrate it.

    passes: what the weights are learned from. later: what says when to stop, and how chances are calibrated; of the
        model before the first epoch and after each that with the least loss on it is kept.
    on_epoch: gets epoch, examples, loss, validation_loss, and is_best (so far) after each.
    checkpoints: from which an attempt at the same examples goes on; it ends in the same bits.

    Which chunks the rows come in does not matter, their order does.

    Raises:
        NothingToLearnError: there are no examples, or a head has but one label.
    """
    # Gradients of an id that occurs twice in a batch are else summed in the order in which threads arrive.
    tf.config.experimental.enable_op_determinism()
    model = RankingModel(spec, options, learn_scales(passes, spec, options))
    # Keras makes the weights at the first call.
    model({name: tf.zeros([0, *one.shape[1:]], one.dtype) for name, one in batch_signature(spec).items()})
    # Adam would touch every row of the tables in every step.
    model.compile(optimizer=tf.keras.optimizers.Adagrad(options.learning_rate, _ADAGRAD_START))
    model.optimizer.build(model.trainable_variables)
    best = _Learning(model, passes, later, spec, options).best(on_epoch, checkpoints)
    for weight, value in zip(model.variables, best, strict=True):
        weight.assign(value)
    _calibrate(model, prefetch(rechunked(later(), spec, _BLOCK_ROWS)), spec)
    return TensorFlowRanker(spec, model.exported(spec))


class _Learning:
    """The steps of a training, from its beginning or from a checkpoint."""

    def __init__(
        self,
        model: RankingModel,
        passes: ExampleStream,
        later: ExampleStream,
        spec: FeatureSpec,
        options: RankerOptions,
    ) -> None:
        self.model, self.passes, self.later, self.spec, self.options = model, passes, later, spec, options
        inputs = (example_signature(spec), tf.TensorSpec([None, len(spec.heads)]))
        self.step = tf.function(lambda *batch: model.train_step(batch)["loss"], input_signature=inputs)
        # how things were shown counts here too: else a model that took it for liking would be thought the better
        self.loss_of = tf.function(lambda *batch: model.compute_loss(batch), input_signature=inputs)

    def best(self, on_epoch: Callable[[dict[str, float]], None], checkpoints: CheckpointStore) -> list[np.ndarray]:
        """Return the weights with the least loss on later examples."""
        progress = self._resumed(checkpoints)
        for figures in progress.log:
            on_epoch(figures)
        while progress.epoch < self.options.num_epochs and _goes_on(progress):
            self._epoch(progress, checkpoints)
            loss, validation_loss = progress.total / max(1, progress.num_rows), self._later_loss()
            if is_best := validation_loss < progress.best:
                progress.best, progress.best_epoch, progress.kept = validation_loss, progress.epoch, _values(self.model)
            counted = {"epoch": progress.epoch, "examples": progress.num_rows}
            progress.log.append(
                {**counted, "loss": loss, "validation_loss": validation_loss, "is_best": float(is_best)}
            )
            on_epoch(progress.log[-1])
            progress.epoch, progress.num_batches, progress.total, progress.num_rows = progress.epoch + 1, 0, 0.0, 0
            checkpoints.save(progress.state(self._state()))
        return progress.kept

    def _resumed(self, checkpoints: CheckpointStore) -> TrainingProgress:
        """How far an earlier attempt came, with the model brought there; or the beginning."""
        about = f"{self.options} {self.spec.to_json()}"
        state = checkpoints.latest()
        found = read_progress(state, about) if state is not None else None
        if found is None:
            return TrainingProgress(about, self._later_loss(), _values(self.model))
        progress, values = found
        for weight, value in zip(self._variables(), values, strict=True):
            weight.assign(value)
        return progress

    def _epoch(self, progress: TrainingProgress, checkpoints: CheckpointStore) -> None:
        """Learn what is left of the epoch. What was learned of it before is read again: order and chance go by it."""
        batches = shuffled_epoch(self.passes, self.spec, self.options, progress.epoch)
        saved = progress.num_rows
        for batch in islice(batches, progress.num_batches, None):
            progress.total += len(batch) * float(self.step(dict(batch.features), batch.label))
            progress.num_rows += len(batch)
            progress.num_batches += 1
            if progress.num_rows - saved >= ROWS_PER_CHECKPOINT:
                checkpoints.save(progress.state(self._state()))
                saved = progress.num_rows

    def _later_loss(self) -> float:
        """Mean loss over the later examples; without any it is 0, and nothing is better."""
        total, rows = 0.0, 0
        for batch in prefetch(rechunked(self.later(), self.spec, _BLOCK_ROWS)):
            total += len(batch) * float(self.loss_of(dict(batch.features), batch.label))
            rows += len(batch)
        return total / max(1, rows)

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _state(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self._variables()]


def shuffled_epoch(
    examples: ExampleStream, spec: FeatureSpec, options: RankerOptions, epoch: int
) -> Iterator[Examples]:
    """Yield the batches of one pass."""
    dropout, seed = options.id_dropout, options.seed
    return prefetch(
        shuffled_batches(examples(), spec, batch_size=options.batch_size, id_dropout=dropout, seed=seed, epoch=epoch)
    )


def _goes_on(progress: TrainingProgress) -> bool:
    learned = sum(figures["examples"] for figures in progress.log[progress.best_epoch + 1 :])
    return progress.epoch < _MIN_EPOCHS or learned < _PATIENCE


def _values(model: RankingModel) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.variables]


def _calibrate(model: RankingModel, batches: Iterator[Examples], spec: FeatureSpec) -> None:
    """Fit Platt's slope and intercept of each head; one of which nothing is settled yet stays as it is."""
    logits_of = tf.function(model.call, input_signature=[batch_signature(spec)])
    parts = [(np.asarray(logits_of({name: one.features[name] for name in INPUTS})), one.label) for one in batches]
    if parts:
        logits, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
        fitted = [fit_platt(logits[:, head], labels[:, head]) for head in range(len(spec.heads))]
        model.platt.assign(np.array(fitted, np.float32).T)


def learn_scales(passes: ExampleStream, spec: FeatureSpec, options: RankerOptions) -> Scales:
    """Learn Scales in one pass; a constant feature has deviation 1.

    Raises:
        NothingToLearnError: there are no examples, or a head has but one label.
    """
    rows, chance, settled, positives = 0, 0.0, np.zeros(len(spec.heads)), np.zeros(len(spec.heads))
    total, squares = np.zeros(len(spec.dense)), np.zeros(len(spec.dense))
    inverse, shown = 0.0, 0
    for chunk in rechunked(passes(), spec, SHUFFLE_ROWS):
        of_chunk = _sums(chunk.features["dense"])
        total, squares = total + of_chunk[0], squares + of_chunk[1]
        rows += len(chunk)
        chance += float(chunk.features["dense"][:, spec.dense.index(options.base)].sum(dtype=np.float64))
        settled += np.isfinite(chunk.label).sum(axis=0)
        positives += np.nansum(chunk.label, axis=0, dtype=np.float64)
        propensity = chunk.features[PROPENSITY][np.isfinite(chunk.features[PROPENSITY])].astype(np.float64)
        inverse += float((1 / np.maximum(propensity, options.min_propensity)).sum())
        shown += len(propensity)
    if not ((positives > 0) & (positives < settled)).all():
        counts = ", ".join(f"{n:g} of them {name}" for n, name in zip(positives, spec.heads, strict=True))
        raise NothingToLearnError(f"{rows} training examples, {counts}: both labels are needed")
    mean = total / rows
    deviation = np.sqrt(np.maximum(squares / rows - np.square(mean), 0))
    return Scales(
        mean.astype(np.float32),
        np.where(deviation > 1e-4, deviation, 1).astype(np.float32),
        (log_odds(positives / settled) - log_odds(np.array(chance / rows))).astype(np.float32),
        inverse / shown if shown else 1.0,
    )


def _sums(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of what is squashed, and of its squares, float64 [F]; by blocks, for a whole chunk leaves the caches."""
    total, squares = np.zeros(dense.shape[1]), np.zeros(dense.shape[1])
    for start in range(0, len(dense), _BLOCK_ROWS):
        block = signed_log1p(dense[start : start + _BLOCK_ROWS])
        total += block.sum(axis=0, dtype=np.float64)
        squares += np.einsum("ij,ij->j", block, block, dtype=np.float64)
    return total, squares
