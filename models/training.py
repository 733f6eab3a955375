"""Train the ranking model on streamed examples; the same rows and seed give the same weights, bit for bit."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from models._tensorflow import tf
from models.batches import SHUFFLE_ROWS, rechunked, shuffled, squash
from models.contract import Examples, FeatureSpec, NothingToLearnError, Passes
from models.platt import fit_platt, log_odds
from models.ranker import RankerOptions, RankingModel, Scales, signature
from models.serving import TensorFlowRanker

# The loss is a mean, so an embedding row sees gradients near 1e-5: under Keras' 0.1 it would hardly move.
ADAGRAD_START = 1e-8
# Epochs without a better loss on later examples, after which training ends.
PATIENCE = 2


def train_ranker(
    passes: Passes,
    later: Passes,
    spec: FeatureSpec,
    options: RankerOptions,
    on_epoch: Callable[[dict[str, float]], None],
) -> TensorFlowRanker:
    """Fit a RankingModel and calibrate it.

    passes: what the weights are learned from. later: what says when to stop, and how chances are calibrated; of the
        model before the first epoch and after each that with the least loss on it is kept.
    on_epoch: gets epoch, examples, loss, later_loss, and is_best (so far) after each.

    Which chunks the rows come in does not matter, their order does.

    Raises:
        NothingToLearnError: there are no examples, or a head has but one label.
    """
    # Gradients of an id that occurs twice in a batch are else summed in the order in which threads arrive.
    tf.config.experimental.enable_op_determinism()
    model = RankingModel(spec, options, learn_scales(passes, spec, options.base))
    # Keras makes the weights at the first call.
    model({name: tf.zeros([0, *one.shape[1:]], one.dtype) for name, one in signature(spec).items()})
    # Adam would touch every row of the tables in every step.
    model.compile(optimizer=tf.keras.optimizers.Adagrad(options.learning_rate, ADAGRAD_START))
    inputs = (signature(spec), tf.TensorSpec([None, len(spec.heads)]))
    step = tf.function(lambda *batch: model.train_step(batch)["loss"], input_signature=inputs)
    loss_of = tf.function(lambda *batch: model.compute_loss(batch), input_signature=inputs)

    def batches(examples: Passes, id_dropout: float, epoch: int) -> Iterator[Examples]:
        return shuffled(
            examples(), spec, batch_size=options.batch_size, id_dropout=id_dropout, seed=options.seed, epoch=epoch
        )

    best, best_epoch, kept = _mean(loss_of, batches(later, 0.0, 0))[0], -1, _values(model)
    for epoch in range(options.num_epochs):
        loss, examples = _mean(step, batches(passes, options.id_dropout, epoch))
        later_loss, _ = _mean(loss_of, batches(later, 0.0, 0))
        if is_best := later_loss < best:
            best, best_epoch, kept = later_loss, epoch, _values(model)
        figures = {"loss": loss, "later_loss": later_loss, "is_best": float(is_best)}
        on_epoch({"epoch": epoch, "examples": examples, **figures})
        if epoch - best_epoch >= PATIENCE:
            break
    for weight, value in zip(model.variables, kept, strict=True):
        weight.assign(value)
    _calibrate(model, batches(later, 0.0, 0), spec)
    return TensorFlowRanker(spec, model.exported(spec))


def _mean(loss_of: Callable[..., Any], batches: Iterator[Examples]) -> tuple[float, int]:
    """Mean loss over all rows, and their number; without later examples the loss is 0, and nothing is better."""
    total, rows = 0.0, 0
    for batch in batches:
        total += len(batch) * float(loss_of(dict(batch.features), batch.label))
        rows += len(batch)
    return total / max(1, rows), rows


def _values(model: RankingModel) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.variables]


def _calibrate(model: RankingModel, batches: Iterator[Examples], spec: FeatureSpec) -> None:
    """Fit Platt's slope and intercept of each head; one of which nothing is settled yet stays as it is."""
    logits_of = tf.function(model.call, input_signature=[signature(spec)])
    parts = [(np.asarray(logits_of(dict(batch.features))), batch.label) for batch in batches]
    if parts:
        logits, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
        fitted = [fit_platt(logits[:, head], labels[:, head]) for head in range(len(spec.heads))]
        model.platt.assign(np.array(fitted, np.float32).T)


def learn_scales(passes: Passes, spec: FeatureSpec, base: str) -> Scales:
    """Learn Scales in one pass; a constant feature has deviation 1.

    Raises:
        NothingToLearnError: there are no examples, or a head has but one label.
    """
    rows, chance, settled, positives = 0, 0.0, np.zeros(len(spec.heads)), np.zeros(len(spec.heads))
    total, squares = np.zeros(len(spec.dense)), np.zeros(len(spec.dense))
    for chunk in rechunked(passes(), spec, SHUFFLE_ROWS):
        dense = squash(chunk.features["dense"])
        total, squares = total + dense.sum(axis=0), squares + np.square(dense).sum(axis=0)
        rows += len(chunk)
        chance += float(chunk.features["dense"][:, spec.dense.index(base)].sum(dtype=np.float64))
        settled += np.isfinite(chunk.label).sum(axis=0)
        positives += np.nansum(chunk.label, axis=0, dtype=np.float64)
    if not ((positives > 0) & (positives < settled)).all():
        counts = ", ".join(f"{n:g} of them {name}" for n, name in zip(positives, spec.heads, strict=True))
        raise NothingToLearnError(f"{rows} training examples, {counts}: both labels are needed")
    mean = total / rows
    deviation = np.sqrt(np.maximum(squares / rows - np.square(mean), 0))
    return Scales(
        mean.astype(np.float32),
        np.where(deviation > 1e-4, deviation, 1).astype(np.float32),
        (log_odds(positives / settled) - log_odds(np.array(chance / rows))).astype(np.float32),
    )
